import { sameFenceRecord, type FenceSlot } from "../protocol/fence-record.ts";
import type { HeartbeatRecord, HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import { sightBoot, type BootSighting, type PreviousRead } from "./boot-sighting.ts";
import type { FencesReading, HeartbeatsReading } from "./region-reading.ts";

/** What one reader has seen in one heartbeat slot. */
export type SlotSighting = {
  readonly nodeID: number;
  /** What the last read showed. */
  readonly slot: HeartbeatSlot;
  /** End of the first read that showed it. */
  readonly shownMs: number;
  /** Every boot seen in this slot, the one last shown first; at most `BOOTS_KEPT`. */
  readonly boots: readonly BootSighting[];
  readonly previous: PreviousRead;
};

/** What one reader has seen in one fence slot. */
export type FenceSighting = {
  readonly slot: FenceSlot;
  /** End of the first read since which the slot has shown exactly this. */
  readonly shownMs: number;
};

/**
 * All that one reader has seen of the device, and when, on its own unslewed clock. Agents and
 * fencers judge by this and by nothing else: no wall clock, no cluster state.
 */
export type Sightings = {
  readonly heartbeats: ReadonlyMap<number, SlotSighting>;
  readonly fences: ReadonlyMap<number, FenceSighting>;
  /**
   * The highest epoch ever read of each fence slot, there or in its owner's heartbeats: stale writes
   * may set back what the slots show, and an epoch must not be used twice.
   */
  readonly epochs: ReadonlyMap<number, number>;
  /** The last successful read of the heartbeat region; null before the first. */
  readonly heartbeatsRead: ReadTimes | null;
  /** The last successful read of the fence region; null before the first. */
  readonly fencesRead: ReadTimes | null;
};

export type ReadTimes = { readonly startedMs: number; readonly endedMs: number };

export const NO_SIGHTINGS: Sightings = {
  heartbeats: new Map(),
  fences: new Map(),
  epochs: new Map(),
  heartbeatsRead: null,
  fencesRead: null,
};

const BOOTS_KEPT = 8;

export function sightHeartbeats(sightings: Sightings, reading: HeartbeatsReading): Sightings {
  const heartbeats = new Map(sightings.heartbeats);
  const epochs = new Map(sightings.epochs);
  for (const nodeID of new Set([...sightings.heartbeats.keys(), ...reading.slots.keys()])) {
    const known = heartbeats.get(nodeID) ?? unseenSlot(nodeID, sightings.heartbeatsRead);
    heartbeats.set(
      nodeID,
      sightSlot(known, reading.slots.get(nodeID) ?? { kind: "empty" }, reading),
    );
  }
  for (const [nodeID, slot] of reading.slots) {
    if (slot.kind === "heartbeat") {
      const { seenEpoch, acknowledgedEpoch } = slot.record;
      noteEpoch(epochs, nodeID, Math.max(seenEpoch, acknowledgedEpoch));
    }
  }
  const { startedMs, endedMs } = reading;
  return { ...sightings, heartbeats, epochs, heartbeatsRead: { startedMs, endedMs } };
}

export function sightFences(sightings: Sightings, reading: FencesReading): Sightings {
  const fences = new Map<number, FenceSighting>();
  const epochs = new Map(sightings.epochs);
  for (const [nodeID, slot] of reading.slots) {
    const known = sightings.fences.get(nodeID);
    const unchanged = known !== undefined && sameFenceSlot(known.slot, slot);
    fences.set(nodeID, unchanged ? known : { slot, shownMs: reading.endedMs });
    if (slot.kind === "fence" || slot.kind === "cleared") {
      noteEpoch(epochs, nodeID, slot.record.epoch);
    }
  }
  const { startedMs, endedMs } = reading;
  return { ...sightings, fences, epochs, fencesRead: { startedMs, endedMs } };
}

/** Node IDs whose sequence was seen to move within `withinMs` before `nowMs`, ascending. */
export function movingNodeIDs(sightings: Sightings, nowMs: number, withinMs: number): number[] {
  const moving: number[] = [];
  for (const [nodeID, slot] of sightings.heartbeats) {
    if (slot.boots.some((boot) => boot.moved !== null && nowMs - boot.moved.toMs <= withinMs)) {
      moving.push(nodeID);
    }
  }
  return moving.toSorted((a, b) => a - b);
}

/** The record a slot showed last, or null where it was not a heartbeat of ours. */
export function recordIn(slot: SlotSighting | undefined): HeartbeatRecord | null {
  return slot?.slot.kind === "heartbeat" ? slot.slot.record : null;
}

export function sameFenceSlot(a: FenceSlot, b: FenceSlot): boolean {
  if (
    (a.kind === "fence" || a.kind === "cleared") &&
    (b.kind === "fence" || b.kind === "cleared")
  ) {
    return a === b || sameFenceRecord(a.record, b.record);
  }
  if (a.kind === "bare-fence" && b.kind === "bare-fence") {
    const [x, y] = [a.message, b.message];
    return (
      x.header.nodeID === y.header.nodeID &&
      x.header.timestamp === y.header.timestamp &&
      x.header.sequence === y.header.sequence &&
      x.targetNodeID === y.targetNodeID &&
      x.reason === y.reason
    );
  }
  return a.kind === "empty" && b.kind === "empty";
}

function noteEpoch(epochs: Map<number, number>, nodeID: number, epoch: number): void {
  epochs.set(nodeID, Math.max(epochs.get(nodeID) ?? 0, epoch));
}

function unseenSlot(nodeID: number, lastRead: ReadTimes | null): SlotSighting {
  return {
    nodeID,
    slot: { kind: "empty" },
    shownMs: lastRead?.endedMs ?? -Infinity,
    boots: [],
    previous: {
      startedMs: lastRead?.startedMs ?? -Infinity,
      record: null,
      recordNotShownMs: null,
    },
  };
}

function sightSlot(known: SlotSighting, slot: HeartbeatSlot, read: ReadTimes): SlotSighting {
  const record = slot.kind === "heartbeat" ? slot.record : null;
  const previous = Number.isFinite(known.previous.startedMs) ? known.previous : null;
  const unchanged =
    record !== null && previous?.record != null && sameRecord(previous.record, record);
  return {
    nodeID: known.nodeID,
    slot,
    shownMs: unchanged || sameEmptiness(known.slot, slot) ? known.shownMs : read.endedMs,
    boots: record === null ? known.boots : sightBoots(known.boots, record, read, previous),
    previous: {
      startedMs: read.startedMs,
      record,
      recordNotShownMs: unchanged
        ? known.previous.recordNotShownMs
        : notYetShownMs(record, previous),
    },
  };
}

/**
 * Only a read that showed another heartbeat of the machine shows that this one was not there yet.
 * Blank or garbled slots may belong to another device, or hide a record that landed long before.
 */
function notYetShownMs(
  record: HeartbeatRecord | null,
  previous: PreviousRead | null,
): number | null {
  return previous !== null && record !== null && previous.record?.machineID === record.machineID
    ? previous.startedMs
    : null;
}

function sightBoots(
  boots: readonly BootSighting[],
  record: HeartbeatRecord,
  read: ReadTimes,
  previous: PreviousRead | null,
): readonly BootSighting[] {
  const known = boots.find((boot) => boot.record.bootID === record.bootID) ?? null;
  const sighting = sightBoot(known, record, read, previous);
  return [sighting, ...boots.filter((boot) => boot !== known)].slice(0, BOOTS_KEPT);
}

function sameRecord(a: HeartbeatRecord, b: HeartbeatRecord): boolean {
  return a.bootID === b.bootID && a.startID === b.startID && a.sequence === b.sequence;
}

function sameEmptiness(a: HeartbeatSlot, b: HeartbeatSlot): boolean {
  return a.kind === "empty" && b.kind === "empty";
}
