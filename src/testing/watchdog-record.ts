import type { WatchdogEvent } from "./virtual-watchdog.ts";

const LEAD = 0xf5;
const RECORD_BYTES = 14;

/**
 * Turns what comes out of a watchdog FIFO into events.
 *
 * Processes with the interposer write records of 14 bytes: 0xF5, then 'O' (opened), 'P' (pet), 'V'
 * (pet with the magic character) or 'T' (timeout set), u32 seconds, u64 nanoseconds of
 * CLOCK_MONOTONIC, little-endian. Others write plain bytes, each of them a pet, 'V' the magic one;
 * these count when read.
 */
export function createWatchdogRecordParser(): (chunk: Buffer, nowMs: number) => WatchdogEvent[] {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk, nowMs) => {
    const bytes = Buffer.concat([rest, chunk]);
    const events: WatchdogEvent[] = [];
    let offset = 0;
    while (offset < bytes.length) {
      if (bytes[offset] === LEAD) {
        if (bytes.length - offset < RECORD_BYTES) break;
        events.push(decode(bytes.subarray(offset, offset + RECORD_BYTES)));
        offset += RECORD_BYTES;
      } else {
        const kind = bytes[offset] === 0x56 ? "magic" : "pet";
        events.push({ kind, tMs: nowMs, exact: false });
        offset += 1;
      }
    }
    rest = bytes.subarray(offset);
    return events;
  };
}

function decode(record: Buffer): WatchdogEvent {
  const kind = String.fromCharCode(record[1] ?? 0);
  const tMs = Number(record.readBigUInt64LE(6)) / 1e6;
  switch (kind) {
    case "O":
      return { kind: "open", tMs, exact: true };
    case "P":
      return { kind: "pet", tMs, exact: true };
    case "V":
      return { kind: "magic", tMs, exact: true };
    case "T":
      return { kind: "set", tMs, exact: true, timeoutSeconds: record.readUInt32LE(2) };
    default:
      throw new Error(`The watchdog FIFO holds a record of the unknown kind '${kind}'`);
  }
}
