import fs from "node:fs";
import { join } from "node:path";

import { describeErrno, SystemError } from "./errno.ts";
import { native } from "./native.ts";

/**
 * - `TRIGGER_UNAVAILABLE`  /proc/sysrq-trigger cannot be opened for writing
 * - `WRITE_FAILED`         the kernel did not take the command
 * - `CLOSED`               the caller has closed it
 */
export type SysrqErrorCode = "TRIGGER_UNAVAILABLE" | "WRITE_FAILED" | "CLOSED";

/** Thrown where the machine cannot be rebooted through sysrq. */
export class SysrqError extends Error {
  override readonly name = "SysrqError";
  readonly code: SysrqErrorCode;

  constructor(code: SysrqErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * What became of the reboot bit in kernel.sysrq. `refused` is no failure: the mask is for the
 * keyboard, and the kernel does not ask it about the trigger file; some kernels are patched to.
 */
export type SysrqMask =
  | { readonly kind: "already-enabled"; readonly value: number }
  | { readonly kind: "enabled"; readonly before: number; readonly value: number }
  | { readonly kind: "refused"; readonly reason: string };

/** The way to reboot at once, without a sync and without the reboot notifiers. */
export type Sysrq = {
  /** For the petter, which writes at its deadline. */
  readonly fd: number;
  readonly mask: SysrqMask;
  /** Does not return on a real machine. @throws SysrqError `WRITE_FAILED`, `CLOSED` */
  reboot(): void;
  close(): void;
};

/** Bit of kernel.sysrq that allows reboot and power off; Documentation/admin-guide/sysrq.rst. */
const MASK_REBOOT = 128;
/** Not a mask but everything. */
const MASK_ALL = 1;

/**
 * Opens the trigger now: when the node must die, opening may no longer work.
 *
 * @throws SysrqError `TRIGGER_UNAVAILABLE`
 */
export function openSysrq(hostRoot = "/"): Sysrq {
  const path = join(hostRoot, "proc/sysrq-trigger");
  let fd = native.open(path, fs.constants.O_WRONLY, 0);
  if (fd < 0) {
    const cause = new SystemError(fd, `Cannot open ${path}`);
    throw new SysrqError(
      "TRIGGER_UNAVAILABLE",
      `${cause.message}, so this node cannot reboot itself at once and has the watchdog alone. ` +
        `The container must be privileged, with /proc mounted for writing.`,
      { cause },
    );
  }
  return {
    fd,
    mask: allowReboot(join(hostRoot, "proc/sys/kernel/sysrq")),
    reboot() {
      if (fd < 0) throw new SysrqError("CLOSED", `Cannot use ${path} as it has been closed`);
      const result = native.writeByte(fd, "b".charCodeAt(0));
      if (result === 1) return;
      throw new SysrqError(
        "WRITE_FAILED",
        `Cannot reboot through ${path} (${describeErrno(result)}), so this node waits for its ` +
          `watchdog to fire. If it has none, power it off.`,
      );
    },
    close() {
      if (fd >= 0) native.close(fd);
      fd = -1;
    },
  };
}

function allowReboot(path: string): SysrqMask {
  try {
    const before = Number.parseInt(fs.readFileSync(path, "utf8"), 10);
    if (!Number.isSafeInteger(before) || before < 0) {
      return { kind: "refused", reason: `${path} holds no number` };
    }
    if (before === MASK_ALL || (before & MASK_REBOOT) !== 0) {
      return { kind: "already-enabled", value: before };
    }
    const value = before | MASK_REBOOT;
    fs.writeFileSync(path, `${value}\n`);
    return { kind: "enabled", before, value };
  } catch (error) {
    return { kind: "refused", reason: String(error) };
  }
}
