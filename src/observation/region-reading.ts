import type { FenceSlot } from "../protocol/fence-record.ts";
import type { HeartbeatSlot } from "../protocol/heartbeat-record.ts";

/** One read of a whole region, with the reader's unslewed clock around it. */
export type RegionReading<Slot> = {
  /** Just before the read was submitted. */
  readonly startedMs: number;
  /** Just after it returned. */
  readonly endedMs: number;
  /** What each slot held; a slot that is not listed was empty. */
  readonly slots: ReadonlyMap<number, Slot>;
};

export type HeartbeatsReading = RegionReading<HeartbeatSlot>;
export type FencesReading = RegionReading<FenceSlot>;

/** One read of both regions after each other. */
export type RegionsRead = {
  readonly heartbeats: ReadonlyMap<number, HeartbeatSlot>;
  readonly fences: ReadonlyMap<number, FenceSlot>;
  readonly heartbeatsTimes: DualTimes;
  readonly fencesTimes: DualTimes;
};

/** Around one read, on both clocks. */
export type DualTimes = {
  readonly startedLivedMs: number;
  readonly endedLivedMs: number;
  readonly startedRawMs: number;
  readonly endedRawMs: number;
};
