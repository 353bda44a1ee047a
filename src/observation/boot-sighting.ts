import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";

/**
 * What one reader knows of one boot that has beaten in one slot. All instants are on the reader's
 * unslewed clock, in ms.
 */
export type BootSighting = {
  /** Its last record. */
  readonly record: HeartbeatRecord;
  /** End of the first read that showed any record of it. */
  readonly firstShownMs: number;
  /** End of the first read that showed `record`. */
  readonly shownMs: number;
  /** Its last movement, a greater sequence under one start; null = never seen to move. */
  readonly moved: Movement | null;
  /** Node IDs that its present agent start has ever listed as moving. */
  readonly witnessed: readonly number[];
  /** The boot instant lies in [bootMinMs, bootMaxMs]. */
  readonly bootMinMs: number;
  readonly bootMaxMs: number;
  /** The first `fenced` record seen of this boot, kept though later records replace it. */
  readonly acknowledgement: Acknowledgement | null;
};

/** One record of an agent start, and later a greater one of the same start. */
export type Movement = {
  /** End of the first read that showed the lesser record. */
  readonly fromMs: number;
  /** End of the first read that showed the greater one. */
  readonly toMs: number;
};

export type Acknowledgement = {
  readonly epoch: number;
  readonly armed: boolean;
  /** The watchdog's effective timeout from then on. */
  readonly watchdogMs: number;
  /** End of the first read that showed it. */
  readonly seenMs: number;
  /** It was not on the device when this read began; null when no earlier read shows that. */
  readonly notBeforeMs: number | null;
};

/** What a read of the slot that was the last before this one left behind. */
export type PreviousRead = {
  readonly startedMs: number;
  /** The record it showed, if it was one of ours. */
  readonly record: HeartbeatRecord | null;
  /** Start of the last read that shows that the record was not there yet; null: none does. */
  readonly recordNotShownMs: number | null;
};

/** Two hosts' crystals differ by less: 1 ms in a second of uptime. */
const UPTIME_TOLERANCE = 0.001;

/** Takes in a record read between `startedMs` and `endedMs`. */
export function sightBoot(
  known: BootSighting | null,
  record: HeartbeatRecord,
  read: { readonly startedMs: number; readonly endedMs: number },
  previous: PreviousRead | null,
): BootSighting {
  if (known !== null && sameBeat(known.record, record)) {
    return known;
  }
  const moved =
    known !== null &&
    known.record.startID === record.startID &&
    record.sequence > known.record.sequence;
  return {
    record,
    firstShownMs: known?.firstShownMs ?? read.endedMs,
    shownMs: read.endedMs,
    moved: moved ? { fromMs: known.shownMs, toMs: read.endedMs } : (known?.moved ?? null),
    witnessed:
      known?.record.startID === record.startID
        ? union(known.witnessed, record.moving)
        : record.moving,
    bootMinMs: Math.max(known?.bootMinMs ?? -Infinity, earliestBoot(record, previous)),
    bootMaxMs: Math.min(
      known?.bootMaxMs ?? Infinity,
      read.endedMs - record.uptimeMs * (1 - UPTIME_TOLERANCE),
    ),
    acknowledgement: known?.acknowledgement ?? acknowledgementIn(record, read, previous),
  };
}

/** A peer nearly always lists what it has listed: then it is the same array, and nothing is made. */
function union(known: readonly number[], more: readonly number[]): readonly number[] {
  return more.every((nodeID, index) => known[index] === nodeID)
    ? known
    : [...new Set([...known, ...more])];
}

/** The same write of the same agent start. */
export function sameBeat(a: HeartbeatRecord, b: HeartbeatRecord): boolean {
  return a.startID === b.startID && a.sequence === b.sequence && a.bootID === b.bootID;
}

/**
 * The earliest this boot can have begun. Its uptime was sampled at an unknown time before the write,
 * but after the same start's previous heartbeat had landed; so a read that did not show that
 * previous heartbeat *yet* began before the sample.
 *
 * "Yet" is the trap: a slot that shows something else may show a stale write that landed over the
 * previous heartbeat. Only two readings exclude it: one that showed an earlier heartbeat of the same
 * start, and one that was followed by the previous heartbeat's own appearance.
 */
function earliestBoot(record: HeartbeatRecord, previous: PreviousRead | null): number {
  const before = previous?.record ?? null;
  if (
    previous === null ||
    before === null ||
    before.startID !== record.startID ||
    before.bootID !== record.bootID ||
    before.sequence >= record.sequence
  ) {
    return -Infinity;
  }
  const notYetMs =
    before.sequence === record.sequence - 1 ? previous.recordNotShownMs : previous.startedMs;
  return notYetMs === null ? -Infinity : notYetMs - record.uptimeMs * (1 + UPTIME_TOLERANCE);
}

function acknowledgementIn(
  record: HeartbeatRecord,
  read: { readonly endedMs: number },
  previous: PreviousRead | null,
): Acknowledgement | null {
  return record.fenced
    ? {
        epoch: record.acknowledgedEpoch,
        armed: record.armed,
        watchdogMs: record.watchdogMs,
        seenMs: read.endedMs,
        // A slot that was blank or unreadable may have hidden it.
        notBeforeMs: previous === null || previous.record === null ? null : previous.startedMs,
      }
    : null;
}
