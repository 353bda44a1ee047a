/**
 * The directory a virtual machine's processes take for its root: the few files of /proc, /sys, /etc,
 * /dev and /run that an agent looks at.
 *
 * Not modelled: permissions, mounts, and that a write to a sysfs file is refused.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export type WatchdogFiles = {
  readonly identity: string;
  readonly options: number;
  readonly minTimeoutSeconds: number;
  readonly maxTimeoutSeconds: number;
  readonly nowayout: boolean;
};

export type WatchdogFileState = {
  readonly active: boolean;
  readonly timeoutSeconds: number;
  readonly bootStatus: number;
};

export type HostRoot = {
  readonly path: string;
  /** FIFO. */
  readonly watchdogPath: string;
  /** FIFO. */
  readonly sysrqPath: string;
  /** Where the agent keeps what must not survive a boot. */
  readonly runPath: string;
  /** What the kernel and a tmpfs do at boot: a new boot ID, an empty /run. */
  startBoot(bootID: string): void;
  showWatchdog(state: WatchdogFileState): void;
};

const SYSRQ_MASK = 438; // Debian's default

/** Builds the tree in `path`, which is emptied first. `machineID` has 32 hex digits. */
export function createHostRoot(path: string, machineID: string, watchdog: WatchdogFiles): HostRoot {
  rmSync(path, { recursive: true, force: true });
  const sysfs = "sys/class/watchdog/watchdog0";
  const watchdogPath = join(path, "dev/watchdog");
  const sysrqPath = join(path, "proc/sysrq-trigger");
  const runPath = join(path, "run/sbd-agent");

  function write(file: string, text: string): void {
    const target = join(path, file);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, `${text}\n`);
  }

  write("etc/machine-id", machineID);
  write("proc/cpuinfo", "flags\t\t: fpu sse2");
  write("sys/class/dmi/id/sys_vendor", "Stand-in Machines");
  write("proc/sys/kernel/sysrq", String(SYSRQ_MASK));
  write("sys/module/watchdog/parameters/stop_on_reboot", "-1");
  write(`${sysfs}/identity`, watchdog.identity);
  write(`${sysfs}/options`, hex(watchdog.options));
  write(`${sysfs}/status`, hex(0));
  write(`${sysfs}/min_timeout`, String(watchdog.minTimeoutSeconds));
  write(`${sysfs}/max_timeout`, String(watchdog.maxTimeoutSeconds));
  write(`${sysfs}/nowayout`, watchdog.nowayout ? "1" : "0");
  write(`${sysfs}/dev`, "249:0");
  makeFifo(watchdogPath);
  makeFifo(sysrqPath);

  return {
    path,
    watchdogPath,
    sysrqPath,
    runPath,
    startBoot(bootID) {
      rmSync(join(path, "run"), { recursive: true, force: true });
      mkdirSync(runPath, { recursive: true });
      write("proc/sys/kernel/random/boot_id", bootID);
    },
    showWatchdog({ active, timeoutSeconds, bootStatus }) {
      write(`${sysfs}/state`, active ? "active" : "inactive");
      write(`${sysfs}/timeout`, String(timeoutSeconds));
      write(`${sysfs}/bootstatus`, String(bootStatus));
    },
  };
}

function hex(flags: number): string {
  return `0x${flags.toString(16)}`;
}

function makeFifo(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  execFileSync("mkfifo", ["-m", "600", path]);
}
