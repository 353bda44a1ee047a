import fs from "node:fs";
import { basename, join } from "node:path";

import { readModuleParameters } from "./module-parameters.ts";
import { WatchdogError } from "./watchdog-error.ts";
import { findWatchdogHolder, type WatchdogHolder, watchdogName } from "./watchdog-holder.ts";

/**
 * What sysfs says of one watchdog. Nothing here opened the device: opening starts it. `null` = the
 * driver or kernel does not say. Source: Documentation/ABI/testing/sysfs-class-watchdog.
 */
export type WatchdogInspection = {
  /** "watchdog0" */
  readonly device: string;
  readonly identity: string | null;
  /** Kernel module or platform driver, "iTCO_wdt"; from the identity where the device has no link. */
  readonly driver: string | null;
  /** `active`: it ticks, whoever started it. `unknown`: a kernel without CONFIG_WATCHDOG_SYSFS. */
  readonly state: "active" | "inactive" | "unknown";
  /** What the driver reports, which is not always when the machine resets. */
  readonly timeoutSeconds: number | null;
  readonly minTimeoutSeconds: number | null;
  readonly maxTimeoutSeconds: number | null;
  readonly nowayout: boolean | null;
  /** WDIOF_* bits of linux/watchdog.h. */
  readonly options: number | null;
  readonly bootstatus: number | null;
  /** The process that has it open, this one excepted, where one can be seen. */
  readonly holder?: WatchdogHolder;
  /** Of the driver's module, as far as they can be seen: `soft_noboot` and the like. */
  readonly moduleParameters: Readonly<Record<string, string>>;
  /**
   * The `stop_on_reboot` parameter of the watchdog core: 0 = reboot(2) leaves it ticking, 1 = stops
   * it, -1 = as the driver has it, which for most is to stop.
   */
  readonly stopOnReboot: number | null;
};

const CLASS_DIRECTORY = "sys/class/watchdog";
/** The misc device /dev/watchdog, which leads to watchdog0; Documentation/admin-guide/devices.txt. */
const LEGACY_DEVICE_NUMBER = "10:130";
/** Drivers without a parent device, by the identity they give. */
const DRIVER_BY_IDENTITY: ReadonlyMap<string, string> = new Map([["Software Watchdog", "softdog"]]);

/** Every watchdog the kernel knows, by number; none where there is no watchdog class. */
export function listWatchdogs(hostRoot = "/"): WatchdogInspection[] {
  return watchdogNames(hostRoot).map((name) => inspect(name, hostRoot));
}

/**
 * The watchdog that a device path leads to. The device number decides; where there is none to look
 * at (another root, no such file) the name does.
 *
 * @throws WatchdogError `NOT_FOUND`
 */
export function inspectWatchdog(path: string, hostRoot = "/"): WatchdogInspection {
  const names = watchdogNames(hostRoot);
  const number = deviceNumber(join(hostRoot, path));
  const name = number === null ? watchdogName(path) : nameOfNumber(number, names, hostRoot);
  if (name !== null && names.includes(name)) return inspect(name, hostRoot);
  const known = names.length === 0 ? "no watchdog at all" : names.join(", ");
  throw new WatchdogError(
    "NOT_FOUND",
    `${path} is no watchdog that the kernel knows (it knows ${known}), so nothing would reset this ` +
      `node if it hung, and it is not protected. Load the driver of its hardware watchdog, or name ` +
      `another in sbdWatchdogPath.`,
  );
}

function watchdogNames(hostRoot: string): string[] {
  try {
    return fs
      .readdirSync(join(hostRoot, CLASS_DIRECTORY))
      .filter((name) => /^watchdog\d+$/.test(name))
      .sort((a, b) => Number(a.slice("watchdog".length)) - Number(b.slice("watchdog".length)));
  } catch {
    return [];
  }
}

/** "major:minor" of a character device, else null. */
function deviceNumber(path: string): string | null {
  try {
    const stats = fs.statSync(path, { bigint: true });
    return stats.isCharacterDevice() ? formatDeviceNumber(stats.rdev) : null;
  } catch {
    return null;
  }
}

/** As glibc's major() and minor() take dev_t apart. */
function formatDeviceNumber(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

function nameOfNumber(number: string, names: readonly string[], hostRoot: string): string | null {
  if (number === LEGACY_DEVICE_NUMBER) return "watchdog0";
  return names.find((name) => attribute(name, "dev", hostRoot) === number) ?? null;
}

function inspect(device: string, hostRoot: string): WatchdogInspection {
  const identity = attribute(device, "identity", hostRoot);
  const driver = driverOf(device, identity, hostRoot);
  const holder = findWatchdogHolder(device, hostRoot);
  const nowayout = numberOf(attribute(device, "nowayout", hostRoot));
  return {
    device,
    identity,
    driver,
    state: stateOf(attribute(device, "state", hostRoot)),
    timeoutSeconds: numberOf(attribute(device, "timeout", hostRoot)),
    minTimeoutSeconds: numberOf(attribute(device, "min_timeout", hostRoot)),
    maxTimeoutSeconds: numberOf(attribute(device, "max_timeout", hostRoot)),
    nowayout: nowayout === null ? null : nowayout !== 0,
    options: numberOf(attribute(device, "options", hostRoot)),
    bootstatus: numberOf(attribute(device, "bootstatus", hostRoot)),
    ...(holder === null ? {} : { holder }),
    moduleParameters: driver === null ? {} : readModuleParameters(driver, hostRoot),
    stopOnReboot: numberOf(
      readText(join(hostRoot, "sys/module/watchdog/parameters/stop_on_reboot")),
    ),
  };
}

function driverOf(device: string, identity: string | null, hostRoot: string): string | null {
  try {
    return basename(fs.readlinkSync(join(hostRoot, CLASS_DIRECTORY, device, "device/driver")));
  } catch {
    return DRIVER_BY_IDENTITY.get(identity ?? "") ?? null;
  }
}

function stateOf(text: string | null): WatchdogInspection["state"] {
  return text === "active" || text === "inactive" ? text : "unknown";
}

/** Decimal, or hexadecimal after 0x. */
function numberOf(text: string | null): number | null {
  if (text === null || text === "") return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

function attribute(device: string, name: string, hostRoot: string): string | null {
  return readText(join(hostRoot, CLASS_DIRECTORY, device, name));
}

/** A driver that does not know a value has no file for it, or fails its reading. */
function readText(path: string): string | null {
  try {
    return fs.readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}
