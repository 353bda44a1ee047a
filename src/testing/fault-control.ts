/**
 * What happens to a node's I/O on the shared device, changed while its processes run.
 *
 * A control file of one page, mapped by `native/interpose.c` in every process that
 * `faultEnvironment` was given to. It has room for two sets of faults: an update fills the one not
 * in force, then raises the generation, whose lowest bit says which set holds. So a reader never
 * sees half of an update, and a writer killed half-way leaves the old faults in force.
 */
import { closeSync, copyFileSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { interposerPath } from "./interposer.ts";

/** An errno by its name, as in `EIO`. */
export type ErrnoName = keyof typeof osConstants.errno;

/** What can happen to any I/O. Combined, in this order: delay, hang, then `errno`. */
export type SyncFault = {
  /** The I/O fails with this errno. */
  readonly errno?: ErrnoName;
  /** The I/O blocks until a later `set` or `heal` says otherwise, and then goes by that. */
  readonly hang?: true;
  readonly delayMs?: number;
  /** Up to this much is added to `delayMs`, the same for every run with the same `seed`. */
  readonly jitterMs?: number;
  readonly seed?: number;
};

/** Only I/O that touches `[fromByte, toByte)` of the device (or of the file) is hit. */
export type FaultRange = { readonly fromByte: number; readonly toByte: number };

export type ReadFault = SyncFault & {
  readonly range?: FaultRange;
  /** The I/O succeeds and brings zeros. */
  readonly blank?: true;
  /**
   * The I/O brings the bytes of this file instead: a foreign device, or, from `snapshot()`, the
   * state of an earlier moment. In directory mode a directory with files of the same names.
   */
  readonly from?: string;
};

export type LateWrite = {
  /** After how long the bytes land; `"released"`: as soon as no write is late in this way any more. */
  readonly landAfterMs: number | "released";
  /**
   * What the writer is told: `"error"` (`errno`, else EIO) or `"success"` at once, or nothing until
   * it landed (`"hang"`). A landing outlives the writer, and dies with its process group.
   */
  readonly report: "error" | "hang" | "success";
};

export type WriteFault = SyncFault & {
  readonly range?: FaultRange;
  /** The I/O succeeds and nothing is written. */
  readonly lose?: true;
  /** Only so many bytes of it land. It succeeds, unless there is an `errno`. */
  readonly tornBytes?: number;
  readonly late?: LateWrite;
};

/** Everything wrong with a device at one time; a direction left out is healthy. */
export type Faults = {
  readonly read?: ReadFault;
  readonly write?: WriteFault;
  /** fdatasync and fsync. */
  readonly sync?: SyncFault;
};

export type IOCount = {
  readonly started: number;
  readonly finished: number;
  /** How many began to hang; those that do so now are among `started - finished`. */
  readonly hung: number;
  /** How many were answered with an error. */
  readonly failed: number;
};

/** I/O on the device by all processes that share the control file, since it was made. */
export type FaultCounters = {
  readonly read: IOCount;
  readonly write: IOCount;
  readonly sync: IOCount;
  /** Writes queued to land late, and those that did. */
  readonly lateQueued: number;
  readonly lateLanded: number;
};

export type FaultControl = {
  readonly path: string;
  /** Replaces all faults by these. I/O that hangs goes on by the new ones. */
  set(faults: Faults): void;
  /** No faults any more; what hangs or waits for its release goes through. */
  heal(): void;
  counters(): FaultCounters;
  /**
   * Waits until the counters are as wanted.
   *
   * @throws {Error} when they are not within `withinMs`.
   */
  until(wanted: (counters: FaultCounters) => boolean, withinMs: number): Promise<FaultCounters>;
  /** Copies the device as it is now; the path is for `ReadFault.from`. A later one replaces it. */
  snapshot(devicePath: string): string;
  /** Leaves the file and the faults in force; no more updates. */
  close(): void;
};

const MAGIC = 0x46444253;
const VERSION = 1;
const CONTROL_BYTES = 4096;
const GENERATION_OFFSET = 8;
const COUNTERS_OFFSET = 64;
const COUNTERS_BYTES = 112;
const FAULTS_OFFSET = 256;
const FAULTS_BYTES = 512;
const FAULT_BYTES = 64;
const SUBSTITUTE_OFFSET = 192;
const SUBSTITUTE_BYTES = 256;
const NONE = 0xffff_ffff;
const POLL_MS = 2;
const REPORTS = ["error", "hang", "success"] as const;

/** Makes (or makes anew) a control file without faults at `path`. */
export function createFaultControl(path: string): FaultControl {
  const fresh = Buffer.alloc(CONTROL_BYTES);
  fresh.writeUInt32LE(MAGIC, 0);
  fresh.writeUInt32LE(VERSION, 4);
  encodeFaults({}).copy(fresh, FAULTS_OFFSET);
  writeFileSync(path, fresh);
  const fd = openSync(path, "r+");
  let generation = 0n;

  function set(faults: Faults): void {
    generation += 1n;
    const slot = Number(generation & 1n);
    writeAt(fd, encodeFaults(faults), FAULTS_OFFSET + slot * FAULTS_BYTES);
    const word = Buffer.alloc(8);
    word.writeBigUInt64LE(generation);
    writeAt(fd, word, GENERATION_OFFSET);
  }

  function counters(): FaultCounters {
    const bytes = Buffer.alloc(COUNTERS_BYTES);
    readSync(fd, bytes, 0, COUNTERS_BYTES, COUNTERS_OFFSET);
    return decodeCounters(bytes);
  }

  return {
    path,
    set,
    heal: () => set({}),
    counters,
    async until(wanted, withinMs) {
      const endMs = performance.now() + withinMs;
      for (;;) {
        const now = counters();
        if (wanted(now)) return now;
        if (performance.now() > endMs) {
          throw new Error(`Not the I/O waited for within ${withinMs} ms: ${JSON.stringify(now)}`);
        }
        await delay(POLL_MS);
      }
    },
    snapshot(devicePath) {
      const copy = `${path}.snapshot`;
      if (statSync(devicePath).isDirectory()) {
        mkdirSync(copy, { recursive: true });
        for (const name of readdirSync(devicePath)) {
          copyFileSync(join(devicePath, name), join(copy, name));
        }
      } else {
        copyDevice(devicePath, copy);
      }
      return copy;
    },
    close: () => closeSync(fd),
  };
}

/** What a process needs in its environment for `control` to rule its I/O on `devicePath`. */
export function faultEnvironment(control: FaultControl, devicePath: string) {
  return {
    LD_PRELOAD: interposerPath(),
    SBD_FAULT_DEVICE: devicePath,
    SBD_FAULT_CONTROL: control.path,
  };
}

function encodeFaults(faults: Faults): Buffer {
  const bytes = Buffer.alloc(FAULTS_BYTES);
  const { read, write, sync } = faults;
  encodeFault(bytes.subarray(0, FAULT_BYTES), read ?? {});
  encodeFault(bytes.subarray(FAULT_BYTES, 2 * FAULT_BYTES), write ?? {});
  encodeFault(bytes.subarray(2 * FAULT_BYTES, 3 * FAULT_BYTES), sync ?? {});
  const from = Buffer.from(read?.from ?? "");
  if (from.length >= SUBSTITUTE_BYTES) {
    throw new RangeError(
      `Cannot read from '${read?.from}' instead: its path has ${from.length} bytes, more than ${SUBSTITUTE_BYTES - 1}`,
    );
  }
  from.copy(bytes, SUBSTITUTE_OFFSET);
  return bytes;
}

function encodeFault(bytes: Buffer, fault: ReadFault & WriteFault): void {
  bytes.writeUInt32LE(fault.errno === undefined ? 0 : osConstants.errno[fault.errno], 0);
  bytes.writeUInt32LE(fault.hang ? 1 : 0, 4);
  bytes.writeUInt32LE(fault.delayMs ?? 0, 8);
  bytes.writeUInt32LE(fault.jitterMs ?? 0, 12);
  bytes.writeBigUInt64LE(BigInt(fault.range?.fromByte ?? 0), 16);
  bytes.writeBigUInt64LE(BigInt(fault.range?.toByte ?? Number.MAX_SAFE_INTEGER), 24);
  bytes.writeUInt32LE(fault.seed ?? 0, 32);
  bytes.writeUInt32LE(fault.blank ? 1 : 0, 36);
  bytes.writeUInt32LE(fault.from === undefined ? 0 : 1, 40);
  bytes.writeUInt32LE(fault.lose ? 1 : 0, 44);
  bytes.writeUInt32LE(fault.tornBytes ?? NONE, 48);
  if (fault.late === undefined) return;
  const { landAfterMs, report } = fault.late;
  bytes.writeUInt32LE(1, 52);
  bytes.writeUInt32LE(landAfterMs === "released" ? NONE : landAfterMs, 56);
  bytes.writeUInt32LE(REPORTS.indexOf(report), 60);
}

function decodeCounters(bytes: Buffer): FaultCounters {
  const word = (index: number): number => Number(bytes.readBigUInt64LE(8 * index));
  const count = (first: number): IOCount => ({
    started: word(first),
    finished: word(first + 1),
    hung: word(first + 2),
    failed: word(first + 3),
  });
  return {
    read: count(0),
    write: count(4),
    sync: count(8),
    lateQueued: word(12),
    lateLanded: word(13),
  };
}

function writeAt(fd: number, bytes: Buffer, offset: number): void {
  const written = writeSync(fd, bytes, 0, bytes.length, offset);
  if (written !== bytes.length) {
    throw new Error(`Faults are half set: ${written} of ${bytes.length} bytes written`);
  }
}

function copyDevice(from: string, to: string): void {
  // Not copyFile: a block device has no size to copy by.
  const bytes = Buffer.alloc(1 << 20);
  const source = openSync(from, "r");
  const target = openSync(to, "w");
  try {
    for (let offset = 0; ;) {
      const length = readSync(source, bytes, 0, bytes.length, offset);
      if (length === 0) break;
      writeSync(target, bytes, 0, length, offset);
      offset += length;
    }
  } finally {
    closeSync(source);
    closeSync(target);
  }
}
