import fs from "node:fs";

import { errnoName, SystemError } from "./errno.ts";
import { native, type WatchdogSupport } from "./native.ts";
import { WatchdogError } from "./watchdog-error.ts";
import { findWatchdogHolder, watchdogName } from "./watchdog-holder.ts";

/**
 * A watchdog that this process holds open: it ticks, and it fires unless petted. Opening it, setting
 * its timeout and closing it each pet it once.
 */
export type WatchdogDevice = {
  readonly path: string;
  /** For the petter; -1 once closed. */
  readonly fd: number;
  /**
   * Pets. Returns the seconds that the driver says it took, which may differ from those asked for.
   *
   * @throws WatchdogError `NOT_SUPPORTED`, `TIMEOUT_REFUSED`, `IOCTL_FAILED`, `CLOSED`
   */
  setTimeout(seconds: number): number;
  /** Pets. The petter does this by itself. @throws WatchdogError `IOCTL_FAILED`, `CLOSED` */
  pet(): void;
  /** Seconds. @throws WatchdogError `NOT_SUPPORTED`, `IOCTL_FAILED`, `CLOSED` */
  getTimeout(): number;
  /** Seconds until it fires. @throws WatchdogError `NOT_SUPPORTED`, `IOCTL_FAILED`, `CLOSED` */
  getTimeleft(): number;
  /** @throws WatchdogError `NOT_SUPPORTED`, `IOCTL_FAILED`, `CLOSED` */
  getSupport(): WatchdogSupport;
  /** WDIOF_* bits. @throws WatchdogError `NOT_SUPPORTED`, `IOCTL_FAILED`, `CLOSED` */
  getBootStatus(): number;
  /**
   * Disarms and closes. With nowayout, or without MAGICCLOSE, the driver may go on ticking.
   *
   * @throws WatchdogError `PETTER_RUNNING`, `RELEASE_FAILED`, `CLOSED`; it is open and armed then
   */
  release(): void;
  /** Closes and leaves it ticking: the node resets unless somebody takes it over in time. */
  closeWithoutRelease(): void;
};

/**
 * Opens a watchdog, and by that starts it. A watchdog to look at only belongs to
 * `inspectWatchdog`, which opens nothing.
 *
 * @throws WatchdogError `NOT_FOUND`, `BUSY`, `PERMISSION`, `OPEN_FAILED`
 */
export function openWatchdog(path: string, hostRoot = "/"): WatchdogDevice {
  let fd = native.open(path, fs.constants.O_WRONLY, 0);
  if (fd < 0) throw openFailed(path, fd, hostRoot);

  function openFd(): number {
    if (fd >= 0) return fd;
    throw new WatchdogError("CLOSED", `Cannot use ${path} as it has been closed`);
  }

  return {
    path,
    get fd() {
      return fd;
    },
    setTimeout(seconds) {
      const result = native.watchdogSetTimeout(openFd(), seconds);
      if (result >= 0) return result;
      if (errnoName(result) === "EINVAL") throw timeoutRefused(path, seconds, result);
      throw requestFailed(path, `set the timeout of ${seconds} s`, result);
    },
    pet() {
      const written = native.writeByte(openFd(), ".".charCodeAt(0));
      if (written !== 1) throw requestFailed(path, "pet", written);
    },
    getTimeout: () => ask(path, "read the timeout", native.watchdogGetTimeout(openFd())),
    getTimeleft: () => ask(path, "read the time left", native.watchdogGetTimeleft(openFd())),
    getBootStatus: () => ask(path, "read the boot status", native.watchdogGetBootStatus(openFd())),
    getSupport() {
      const support = native.watchdogGetSupport(openFd());
      if (typeof support !== "number") return support;
      throw requestFailed(path, "read what the driver supports", support);
    },
    release() {
      openFd();
      if (native.petterStats().running) {
        throw new WatchdogError(
          "PETTER_RUNNING",
          `Cannot release ${path} while the petter runs, as its next pet would arm it again and ` +
            `nobody would pet it after that. Stop the petter first.`,
        );
      }
      const written = native.writeByte(fd, "V".charCodeAt(0));
      if (written !== 1) throw releaseFailed(path, written);
      native.close(fd);
      fd = -1;
    },
    closeWithoutRelease() {
      if (fd >= 0) native.close(fd);
      fd = -1;
    },
  };
}

function ask(path: string, what: string, result: number): number {
  if (result >= 0) return result;
  throw requestFailed(path, what, result);
}

function openFailed(path: string, errno: number, hostRoot: string): WatchdogError {
  const cause = new SystemError(errno, `Cannot open the watchdog ${path}`);
  switch (cause.code) {
    case "EBUSY":
      return new WatchdogError("BUSY", busyMessage(path, hostRoot), { cause });
    case "ENOENT":
    case "ENODEV":
    case "ENXIO":
      return new WatchdogError(
        "NOT_FOUND",
        `${cause.message}, so nothing would reset this node if it hung, and it is not protected. ` +
          `Load the driver of its watchdog, or name another in sbdWatchdogPath.`,
        { cause },
      );
    case "EACCES":
    case "EPERM":
      return new WatchdogError(
        "PERMISSION",
        `${cause.message}, so this node is not protected. The container must be privileged.`,
        { cause },
      );
    default:
      return new WatchdogError(
        "OPEN_FAILED",
        `${cause.message}, so this node is not protected. Check the driver's kernel messages.`,
        { cause },
      );
  }
}

function busyMessage(path: string, hostRoot: string): string {
  const name = watchdogName(path);
  const holder = name === null ? null : findWatchdogHolder(name, hostRoot);
  const who =
    holder === null
      ? "another process that cannot be seen from here"
      : `process ${holder.pid} (${holder.command})`;
  return (
    `${path} is held by ${who}, which decides whether this node lives, so the node is not ` +
    `protected. Stop it (for systemd: RuntimeWatchdogSec=off), or name another watchdog in ` +
    `sbdWatchdogPath.`
  );
}

function requestFailed(path: string, what: string, errno: number): WatchdogError {
  const cause = new SystemError(errno, `Cannot ${what} of ${path}`);
  switch (cause.code) {
    case "ENOTTY":
    case "EOPNOTSUPP":
    case "ENOTSUP":
      return new WatchdogError(
        "NOT_SUPPORTED",
        `${cause.message}, as its driver does not offer that. Use a watchdog whose timeout can be set.`,
        { cause },
      );
    default:
      return new WatchdogError("IOCTL_FAILED", `${cause.message}; check the kernel's messages.`, {
        cause,
      });
  }
}

function timeoutRefused(path: string, seconds: number, errno: number): WatchdogError {
  const cause = new SystemError(errno, `Cannot set a timeout of ${seconds} s on ${path}`);
  return new WatchdogError(
    "TIMEOUT_REFUSED",
    `${cause.message}: it is out of the driver's range, so this node cannot keep the timing ` +
      `contract. Choose a watchdogTimeoutSeconds within what 'sbdctl watchdog show' prints.`,
    { cause },
  );
}

function releaseFailed(path: string, errno: number): WatchdogError {
  const cause = new SystemError(errno, `Cannot release the watchdog ${path}`);
  return new WatchdogError(
    "RELEASE_FAILED",
    `${cause.message}, so it goes on ticking and resets this node unless it is petted again.`,
    { cause },
  );
}
