import type { FenceRecord, FenceSlot } from "../../protocol/fence-record.ts";
import type { HeartbeatSlot } from "../../protocol/heartbeat-record.ts";
import type { Unreadable } from "../../protocol/unreadable.ts";

/** The shared device, as far as fencers see it: two decoded slots for each node. */
export type ScenarioDevice = {
  readonly heartbeats: Map<number, HeartbeatSlot>;
  readonly fences: Map<number, FenceSlot>;
  /** A blank device stands in place of ours. */
  swapped: boolean;
};

export const GARBAGE: Unreadable = {
  kind: "unreadable",
  code: "BAD_CHECKSUM",
  detail: "the checksum does not match",
};

export function createScenarioDevice(): ScenarioDevice {
  return { heartbeats: new Map(), fences: new Map(), swapped: false };
}

/** What a reader of the whole region gets. */
export function readRegion<Slot>(
  device: ScenarioDevice,
  region: ReadonlyMap<number, Slot>,
): ReadonlyMap<number, Slot> {
  return device.swapped ? new Map() : new Map(region);
}

export function storeFence(device: ScenarioDevice, record: FenceRecord): void {
  device.fences.set(record.targetNodeID, {
    kind: record.reason === 0 ? "cleared" : "fence",
    record,
  });
}
