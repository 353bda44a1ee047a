/**
 * The disk worker's thread: synchronous O_DIRECT I/O, one request at a time, and nothing else. A
 * hang costs this thread alone; libuv's pool is never used (four stuck disk calls there freeze DNS
 * and every file read of a process).
 *
 * A device whose I/O failed is closed and opened anew for the next request: after a path was lost
 * and found the old descriptor fails for ever. That it is the same device, the core sees by the
 * header in every pass.
 */
import { parentPort, workerData } from "node:worker_threads";

import type { DualTimes } from "../observation/region-reading.ts";
import { sameFenceSlot } from "../observation/sightings.ts";
import type { FenceRecord, FenceSlot } from "../protocol/fence-record.ts";
import type { HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import type { DeviceReply, DeviceRequest } from "./device-request.ts";
import { hostClock } from "./host-clock.ts";
import { openSlotDevice, type SlotDevice } from "./slot-device.ts";
import { changesBetween, type SlotChanges } from "../protocol/slot-memory.ts";

export type DiskWorkerData = { readonly devicePath: string };
export type DiskWorkerMessage =
  | { readonly id: number; readonly reply: DiskWorkerReply }
  | { readonly id: number; readonly error: string };

/** Regions go as what has changed since this worker told of them last: a copy of 510 slots costs more. */
export type RegionChanges = Omit<DeviceReply["read-regions"], "heartbeats" | "fences"> & {
  readonly changes: {
    readonly heartbeats: SlotChanges<HeartbeatSlot>;
    readonly fences: SlotChanges<FenceSlot>;
  };
};
type DiskWorkerReply = DeviceReply[Exclude<DeviceRequest["op"], "read-regions">] | RegionChanges;

const { devicePath } = workerData as DiskWorkerData;
const port = parentPort;
if (port === null) {
  throw new Error("The disk worker runs as a worker thread only");
}
let device: SlotDevice | null = null;
let told: Pick<DeviceReply["read-regions"], "heartbeats" | "fences"> = {
  heartbeats: new Map(),
  fences: new Map(),
};

port.on("message", ({ id, request }: { id: number; request: DeviceRequest }) => {
  let message: DiskWorkerMessage;
  try {
    device ??= openSlotDevice(devicePath);
    message = { id, reply: serve(device, request) };
  } catch (error) {
    message = { id, error: error instanceof Error ? error.message : String(error) };
    close();
  }
  port.postMessage(message);
});

function serve(on: SlotDevice, request: DeviceRequest): DiskWorkerReply {
  switch (request.op) {
    case "read-pass":
      return readPass(on, request.nodeID);
    case "write-heartbeat":
      on.writeHeartbeat(request.record);
      return {};
    case "read-regions":
      return readRegions(on);
    case "write-fence":
      return writeFence(on, request.record);
    case "replace-fence":
      return replaceFence(on, request.expected, request.record);
  }
}

function readPass(on: SlotDevice, nodeID: number): DeviceReply["read-pass"] {
  const samePath = on.shared.identity().kind === "same";
  const header = on.readHeader();
  const fence = on.readFence(nodeID);
  const heartbeat = on.readHeartbeat(nodeID);
  return {
    header,
    fence,
    heartbeat,
    samePath,
    uptimeMs: Math.floor(hostClock.livedMs()),
    wallNs: hostClock.wallNs(),
  };
}

function readRegions(on: SlotDevice): RegionChanges {
  const beforeHeartbeats = hostClock.bothMs();
  const heartbeats = on.readHeartbeats();
  const between = hostClock.bothMs();
  const fences = on.readFences();
  const fencesTimes = around(between, hostClock.bothMs());
  const changes = {
    heartbeats: changesBetween(told.heartbeats, heartbeats),
    fences: changesBetween(told.fences, fences),
  };
  told = { heartbeats, fences };
  return { changes, heartbeatsTimes: around(beforeHeartbeats, between), fencesTimes };
}

function writeFence(on: SlotDevice, record: FenceRecord): DeviceReply["write-fence"] {
  on.writeFence(record);
  const readBack = on.readFence(record.targetNodeID);
  return { readBack, endedRawMs: hostClock.rawMs() };
}

function replaceFence(
  on: SlotDevice,
  expected: FenceSlot,
  record: FenceRecord,
): DeviceReply["replace-fence"] {
  const found = on.readFence(record.targetNodeID);
  const unchanged =
    sameFenceSlot(found, expected) || (found.kind === "unreadable" && expected.kind === found.kind);
  return unchanged
    ? { replaced: true, ...writeFence(on, record) }
    : { replaced: false, readBack: found, endedRawMs: hostClock.rawMs() };
}

type Instant = ReturnType<typeof hostClock.bothMs>;

function around(started: Instant, ended: Instant): DualTimes {
  return {
    startedLivedMs: started.livedMs,
    endedLivedMs: ended.livedMs,
    startedRawMs: started.rawMs,
    endedRawMs: ended.rawMs,
  };
}

function close(): void {
  try {
    device?.close();
  } catch {
    // Closing a lost device may fail; the descriptor is gone all the same.
  }
  device = null;
}
