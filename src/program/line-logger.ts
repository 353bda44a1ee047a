import fs from "node:fs";

import { LOG_LEVELS, type LogLevel } from "./log-level.ts";

/** Structured lines on a descriptor: `{"time","level","msg",…}`. */
export type LineLogger = {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Writes what is queued, as far as the reader takes it, before the process ends. */
  flush(): void;
};

const QUEUE_LINES_MAX = 1_000;

/**
 * Never blocks its caller: standard output is a pipe to the container runtime, and a runtime that
 * stops reading must not stop an agent from petting. One write is under way at most; what does not
 * fit the queue is dropped and counted.
 */
export function createLineLogger(
  fd: number,
  level: LogLevel,
  constant: Readonly<Record<string, unknown>>,
): LineLogger {
  const queue: string[] = [];
  let writing = false;
  let dropped = 0;

  function writeNext(): void {
    const batch = queue.splice(0).join("");
    if (batch === "") {
      writing = false;
      return;
    }
    writing = true;
    fs.write(fd, batch, () => writeNext());
  }

  return {
    log(lineLevel, message, fields = {}) {
      if (LOG_LEVELS.indexOf(lineLevel) < LOG_LEVELS.indexOf(level)) {
        return;
      }
      if (queue.length >= QUEUE_LINES_MAX) {
        dropped += 1;
        return;
      }
      const time = new Date().toISOString();
      const missing = dropped > 0 ? { dropped } : {};
      dropped = 0;
      const line = { time, level: lineLevel, ...constant, msg: message, ...missing, ...fields };
      queue.push(`${JSON.stringify(line)}\n`);
      if (!writing) {
        writeNext();
      }
    },
    flush() {
      try {
        fs.writeSync(fd, queue.splice(0).join(""));
      } catch {
        // The reader is gone or full; there is nobody left to tell.
      }
    },
  };
}
