/**
 * What kind of watchdog a FIFO is, for the processes that open it: a control file of one page,
 * mapped by `native/interpose.c`, which answers ioctls from it.
 */
import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";

/** `WDIOF_…` of linux/watchdog.h. */
export const WATCHDOG_OPTION = {
  alarmOnly: 0x0400,
  cardReset: 0x0020,
  keepAlivePing: 0x8000,
  magicClose: 0x0100,
  setTimeout: 0x0080,
} as const;

export type WatchdogAnswers = {
  /** At most 31 bytes. */
  readonly identity: string;
  /** `WDIOF_…` flags. */
  readonly options: number;
  readonly minTimeoutSeconds: number;
  readonly maxTimeoutSeconds: number;
  readonly timeoutSeconds: number;
  /** What GETBOOTSTATUS answers: `WDIOF_CARDRESET` after a reset by this watchdog. */
  readonly bootStatus: number;
};

const MAGIC = 0x57444253;
const VERSION = 1;
const CONTROL_BYTES = 4096;
const TIMEOUT_OFFSET = 20;
const LAST_PET_OFFSET = 64;

/** Writes the control file at `path`, as after power-on. */
export function writeWatchdogControl(path: string, answers: WatchdogAnswers): void {
  const bytes = Buffer.alloc(CONTROL_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 4);
  bytes.writeUInt32LE(answers.options, 8);
  bytes.writeUInt32LE(answers.minTimeoutSeconds, 12);
  bytes.writeUInt32LE(answers.maxTimeoutSeconds, 16);
  bytes.writeUInt32LE(answers.timeoutSeconds, TIMEOUT_OFFSET);
  bytes.writeUInt32LE(answers.bootStatus, 24);
  bytes.write(answers.identity, 32, 31, "utf8");
  writeFileSync(path, bytes);
}

/** Says that the watchdog stands still, so that the next open counts as a pet. */
export function markWatchdogStopped(path: string): void {
  const fd = openSync(path, "r+");
  try {
    writeSync(fd, Buffer.alloc(8), 0, 8, LAST_PET_OFFSET);
  } finally {
    closeSync(fd);
  }
}

/** The timeout in force, as the last accepted SETTIMEOUT left it. */
export function readWatchdogTimeoutSeconds(path: string): number {
  const fd = openSync(path, "r");
  try {
    const word = Buffer.alloc(4);
    readSync(fd, word, 0, 4, TIMEOUT_OFFSET);
    return word.readUInt32LE();
  } finally {
    closeSync(fd);
  }
}
