import type { StorageReach } from "../platform/storage-reach.ts";
import type { DeviceHeader, HeaderSlot } from "../protocol/device-header.ts";
import type { FenceSlot } from "../protocol/fence-record.ts";
import type { HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import type { DeviceLayout } from "../protocol/layout.ts";

/** All that stands on a device at one time. Empty slots are not listed. */
export type DeviceSurvey = {
  readonly layout: DeviceLayout;
  readonly logicalBlockBytes: number;
  readonly sizeBytes: number;
  readonly header: HeaderSlot;
  readonly heartbeats: ReadonlyMap<number, HeartbeatSlot>;
  readonly fences: ReadonlyMap<number, FenceSlot>;
};

/** What initialisation reads back from the device it has written. */
export type InitialisedDevice = {
  readonly header: HeaderSlot;
  /** Slots that hold something, though they were zeroed just now: somebody else writes here. */
  readonly strayHeartbeats: readonly number[];
  readonly strayFences: readonly number[];
};

/** What initialisation asks of the device beyond what an agent does. */
export type SurveyRequest =
  /** Takes the device for this process, or fails with `HELD`; says who else can see it. */
  | { readonly op: "claim" }
  /** Creates the files of directory mode that are missing; names them. */
  | { readonly op: "create-files" }
  /** What else the device already holds, by name; null: nothing, or a device of ours. */
  | { readonly op: "foreign-signature" }
  | { readonly op: "survey" }
  /** What an agent's pass reads and writes; the bytes that it writes are those that stand there. */
  | { readonly op: "bench-pass" }
  /** Zeroes both regions, writes the header last, flushes each, reads all of it back. */
  | { readonly op: "initialise"; readonly header: DeviceHeader };

export type SurveyReply = {
  claim: StorageReach;
  "create-files": { readonly created: readonly string[] };
  "foreign-signature": { readonly signature: string | null };
  survey: DeviceSurvey;
  "bench-pass": { readonly tookMs: number };
  initialise: InitialisedDevice;
};
