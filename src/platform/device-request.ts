import type { RegionsRead } from "../observation/region-reading.ts";
import type { HeaderSlot } from "../protocol/device-header.ts";
import type { FenceRecord, FenceSlot } from "../protocol/fence-record.ts";
import type { HeartbeatRecord, HeartbeatSlot } from "../protocol/heartbeat-record.ts";

/** What the disk worker is asked to do; one at a time, each synchronously on its own thread. */
export type DeviceRequest =
  | { readonly op: "read-pass"; readonly nodeID: number }
  | { readonly op: "write-heartbeat"; readonly record: HeartbeatRecord }
  | { readonly op: "read-regions" }
  /** Written, flushed and read back. */
  | { readonly op: "write-fence"; readonly record: FenceRecord }
  /** The same, if the slot still holds what is expected. */
  | {
      readonly op: "replace-fence";
      readonly expected: FenceSlot;
      readonly record: FenceRecord;
    };

export type DeviceReply = {
  "read-pass": {
    readonly header: HeaderSlot;
    readonly fence: FenceSlot;
    readonly heartbeat: HeartbeatSlot;
    readonly samePath: boolean;
    /** Sampled after the read. */
    readonly uptimeMs: number;
    readonly wallNs: bigint;
  };
  "write-heartbeat": Record<string, never>;
  "read-regions": RegionsRead;
  "write-fence": { readonly readBack: FenceSlot; readonly endedRawMs: number };
  "replace-fence": {
    readonly replaced: boolean;
    readonly readBack: FenceSlot;
    readonly endedRawMs: number;
  };
};
