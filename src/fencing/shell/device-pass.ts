import type { DiskWorker } from "../../platform/disk-worker-handle.ts";
import type { FencesReading, HeartbeatsReading } from "../../observation/region-reading.ts";
import type { DeviceHeader } from "../../protocol/device-header.ts";

/** What a fencer without an agent reads each pass; times on the clock that suspend stops. */
export type DevicePass = {
  /** Null where there is no readable header. */
  readonly header: DeviceHeader | null;
  readonly heartbeats: HeartbeatsReading;
  readonly fences: FencesReading;
};

/**
 * Reads header and both regions. The header comes first: it says how far the slots are apart, also
 * after the device was opened anew.
 *
 * @param nodeID any slot; its owner's
 * @param deviceUUID the header's at the first pass, null where there was none
 * @throws {Error} with a text for people: the read failed, or the path leads to another device
 */
export async function readPass(
  device: DiskWorker,
  nodeID: number,
  deviceUUID: string | null,
): Promise<DevicePass> {
  const { header: slot } = await device.request({ op: "read-pass", nodeID });
  const header = slot.kind === "header" ? slot.header : null;
  if (deviceUUID !== null && header?.deviceUUID !== deviceUUID) {
    throw new Error(
      `the device is not the one of the start: it had UUID ${deviceUUID} and has ` +
        `${header?.deviceUUID ?? "no readable header"} now, so nothing it shows can prove a death`,
    );
  }
  const regions = await device.request({ op: "read-regions" });
  return {
    header,
    heartbeats: {
      startedMs: regions.heartbeatsTimes.startedRawMs,
      endedMs: regions.heartbeatsTimes.endedRawMs,
      slots: regions.heartbeats,
    },
    fences: {
      startedMs: regions.fencesTimes.startedRawMs,
      endedMs: regions.fencesTimes.endedRawMs,
      slots: regions.fences,
    },
  };
}
