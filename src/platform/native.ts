import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** What WDIOC_GETSUPPORT says of a watchdog driver. */
export type WatchdogSupport = {
  /** WDIOF_* bits of linux/watchdog.h. */
  readonly options: number;
  readonly firmwareVersion: number;
  readonly identity: string;
};

/** What the kernel says of a block device. */
export type BlockSizes = {
  readonly logical: number;
  readonly physical: number;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
};

/** What the petter lives by. `deadlineNs` is on the clock of `livedNs`. */
export type PetterStart = {
  readonly watchdogFd: number;
  /** Descriptor that gets a "b" at the deadline; -1 = none, the watchdog alone does it. */
  readonly sysrqFd: number;
  readonly periodMs: number;
  readonly deadlineNs: bigint;
};

/** What the petter did so far; counters are the process's, over all starts. Errnos: 0 = none. */
export type PetterStats = {
  readonly running: boolean;
  readonly pets: number;
  readonly petErrors: number;
  readonly lastPetError: number;
  /** Wake-up of a pet minus when it was due. */
  readonly worstLatenessNs: bigint;
  /** Why the threads are not in SCHED_FIFO. */
  readonly fifoErrno: number;
  /** The deadline last set; 0n before the first start. */
  readonly deadlineNs: bigint;
  readonly deadlinePassed: boolean;
  readonly latched: boolean;
  readonly sysrqWritten: boolean;
  readonly lastSysrqError: number;
};

/**
 * The native addon, `native/sys.c`. Nothing throws: a number below 0 is -errno, and a malformed
 * call is -EINVAL. Everything blocks its caller.
 */
export type Native = {
  /** A descriptor; O_CLOEXEC is always added. */
  open(path: string, flags: number, mode: number): number;
  close(fd: number): number;
  /** Bytes read into `buffer` from `bufferOffset` on. */
  pread(
    fd: number,
    buffer: Uint8Array,
    bufferOffset: number,
    length: number,
    position: number,
  ): number;
  pwrite(
    fd: number,
    buffer: Uint8Array,
    bufferOffset: number,
    length: number,
    position: number,
  ): number;
  fdatasync(fd: number): number;
  writeByte(fd: number, byte: number): number;
  /** Never waits: -EWOULDBLOCK if another has the lock. */
  flockExclusive(fd: number): number;
  /** Zeroed memory at a multiple of 4096, as O_DIRECT wants it. */
  alignedBuffer(sizeBytes: number): Buffer | number;
  blockSizes(fd: number): BlockSizes | number;

  /** Nanoseconds since boot, suspended time included, never slewed and never going back. */
  livedNs(): bigint;
  /** CLOCK_MONOTONIC_RAW: the same without suspended time. */
  monotonicRawNs(): bigint;

  /** Pets. The seconds that the driver says it took. */
  watchdogSetTimeout(fd: number, seconds: number): number;
  watchdogGetTimeout(fd: number): number;
  watchdogGetTimeleft(fd: number): number;
  watchdogGetBootStatus(fd: number): number;
  watchdogGetSupport(fd: number): WatchdogSupport | number;
  /** The request numbers this addon was compiled with. */
  watchdogIoctlNumbers(): Record<
    "setTimeout" | "getTimeout" | "getTimeleft" | "getSupport" | "getBootStatus",
    number
  >;

  /** Keeps a range of this process's memory from being paged out once it has been touched. */
  mlockOnFault(address: bigint, lengthBytes: number): number;
  setParentDeathSignal(signal: number): number;
  /**
   * Starts a program, given by its absolute path, in the mount namespace of process 1; its pid.
   * It exits with 126 where that namespace cannot be entered, 127 where there is no such program.
   */
  runInHostNamespaces(argv: readonly string[]): number;
  /** Exit code or 128 + signal of what `runInHostNamespaces` started; -EAGAIN while it runs. */
  childStatus(pid: number): number;

  /** -EALREADY: it runs. -EPERM: latched. -ETIME: the deadline passed, in this process or as given. */
  petterStart(options: PetterStart): number;
  /** Never moves the deadline back. -EPERM: latched. -ETIME: passed. -ESRCH: not started. */
  petterPush(deadlineNs: bigint): number;
  /** For the life of the process. -EINPROGRESS: latched, one earlier pet is still in the driver. */
  petterLatch(): number;
  /** -EPERM: latched. -ETIMEDOUT: a pet is blocked in the driver and may still come; try again. */
  petterStop(): number;
  /** Keeps the petter's own memory from being paged out. */
  petterLockMemory(): number;
  petterStats(): PetterStats;
};

/** The addon could not be loaded; without it this program can do nothing. */
export class NativeAddonError extends Error {
  override readonly name = "NativeAddonError";
  readonly code = "NATIVE_ADDON_UNAVAILABLE";
}

const ADDON = fileURLToPath(new URL("../../build/sys.node", import.meta.url));

/** @throws {NativeAddonError} where there is no addon that this Node can load */
export function loadNative(path: string): Native {
  try {
    return createRequire(import.meta.url)(path) as Native;
  } catch (cause) {
    throw new NativeAddonError(
      `The native addon ${path} cannot be loaded (${String(cause).split("\n", 1)[0]}), so this program can reach ` +
        `neither device nor watchdog. In a checkout run 'make setup'; an image that lacks it is ` +
        `broken and must be built again.`,
      { cause },
    );
  }
}

/** The addon of this process. */
export const native: Native = loadNative(ADDON);
