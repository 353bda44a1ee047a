/**
 * The process that does a command's I/O on the shared device. A read or write of storage that hangs
 * cannot be interrupted, not even by SIGKILL: it may hold this process for ever, and never the one
 * at the terminal.
 */
import fs from "node:fs";
import { join } from "node:path";

import type { DeviceRequest } from "../platform/device-request.ts";
import { startDiskWorker, type DiskWorker } from "../platform/disk-worker-handle.ts";
import { BlockDeviceError } from "../platform/block-device-error.ts";
import { openSharedDevice, type Region } from "../platform/block-device.ts";
import { createDeviceFiles } from "../platform/device-files.ts";
import { claimExclusively } from "../platform/exclusive-claim.ts";
import { readForeignSignature } from "../platform/foreign-signature.ts";
import { storageReach } from "../platform/storage-reach.ts";
import { openSlotDevice, type SlotDevice } from "../platform/slot-device.ts";
import { encodeDeviceHeader, type DeviceHeader } from "../protocol/device-header.ts";
import { FENCE_FILE_NAME, HEARTBEAT_FILE_NAME, REGION_SIZE_BYTES } from "../protocol/layout.ts";
import type { DeviceSurvey, InitialisedDevice, SurveyRequest } from "./device-survey.ts";

export type DeviceProcessRequest = {
  readonly id: number;
  readonly request: DeviceRequest | SurveyRequest;
};
/** The first one is to nobody's request, number 0: the process runs. */
export type DeviceProcessReply =
  | { readonly id: number; readonly reply: unknown }
  | { readonly id: number; readonly error: string; readonly code: string | null };

const devicePath = process.argv[2] ?? "";
let worker: DiskWorker | null = null;
let device: SlotDevice | null = null;

process.on("message", ({ id, request }: DeviceProcessRequest) => {
  void answer(id, request);
});
// Whoever asked is gone.
process.on("disconnect", () => process.exit(0));
process.send?.({ id: 0, reply: null } satisfies DeviceProcessReply);

async function answer(id: number, request: DeviceRequest | SurveyRequest): Promise<void> {
  let reply: DeviceProcessReply;
  try {
    reply = { id, reply: await serve(request) };
  } catch (error) {
    reply = {
      id,
      error: error instanceof Error ? error.message : String(error),
      code: error instanceof BlockDeviceError ? error.code : null,
    };
    // After a lost path the old descriptor fails for ever.
    device?.close();
    device = null;
  }
  process.send?.(reply);
}

async function serve(request: DeviceRequest | SurveyRequest): Promise<unknown> {
  switch (request.op) {
    case "claim":
      claimExclusively(devicePath);
      return storageReach(devicePath);
    case "create-files":
      return { created: createMissingFiles() };
    case "foreign-signature":
      return { signature: signatureOf() };
    case "survey":
      device ??= openSlotDevice(devicePath);
      return survey(device);
    case "bench-pass":
      device ??= openSlotDevice(devicePath);
      return { tookMs: benchPass(device) };
    case "initialise":
      return initialise(request.header);
    default:
      worker ??= startDiskWorker(devicePath, () => undefined);
      return worker.request(request);
  }
}

function isDirectory(): boolean {
  return fs.statSync(devicePath, { throwIfNoEntry: false })?.isDirectory() === true;
}

function regionFiles(): string[] {
  return [HEARTBEAT_FILE_NAME, FENCE_FILE_NAME].map((name) => join(devicePath, name));
}

/** A file that is there and too small refuses the whole directory before anything is made in it. */
function createMissingFiles(): string[] {
  if (!isDirectory()) {
    return [];
  }
  for (const path of regionFiles()) {
    const size = fs.statSync(path, { throwIfNoEntry: false })?.size ?? REGION_SIZE_BYTES;
    if (size < REGION_SIZE_BYTES) {
      throw new BlockDeviceError(
        "TOO_SMALL",
        `${path} has ${size} bytes and the slots of 255 nodes need ${REGION_SIZE_BYTES}, so nothing ` +
          `was written. Move it away, and a file of the right size is made in its place.`,
      );
    }
  }
  return createDeviceFiles(devicePath);
}

function signatureOf(): string | null {
  if (!isDirectory()) {
    return readForeignSignature(devicePath);
  }
  for (const path of regionFiles()) {
    const signature = readForeignSignature(path);
    if (signature !== null) {
      return `${signature} in ${path}`;
    }
  }
  return null;
}

function survey(on: SlotDevice): DeviceSurvey {
  const { layout, logicalBlockBytes, sizeBytes } = on.shared;
  return {
    layout,
    logicalBlockBytes,
    sizeBytes,
    header: on.readHeader(),
    heartbeats: on.readHeartbeats(),
    fences: on.readFences(),
  };
}

/** Slot 0 of the fence region is nobody's: no node has that ID, and no program reads it. */
function benchPass(on: SlotDevice): number {
  const { shared } = on;
  const startedMs = performance.now();
  on.readHeader();
  on.readFence(1);
  on.readHeartbeat(1);
  const bytes = shared.readAt("fence", 0, shared.logicalBlockBytes);
  shared.writeAt("fence", 0, bytes);
  shared.sync("fence");
  return performance.now() - startedMs;
}

/** While it works there is no header, so that nobody takes a half-zeroed device for a whole one. */
function initialise(header: DeviceHeader): InitialisedDevice {
  const { strideBytes } = header;
  const headerBytes = encodeDeviceHeader(header, strideBytes);
  device?.close();
  device = null;
  const shared = openSharedDevice(devicePath);
  try {
    const write = (region: Region, bytes: Uint8Array): void => {
      shared.writeAt(region, 0, bytes);
      shared.sync(region);
    };
    write("heartbeat", new Uint8Array(strideBytes));
    write("heartbeat", new Uint8Array(REGION_SIZE_BYTES));
    write("fence", new Uint8Array(REGION_SIZE_BYTES));
    write("heartbeat", headerBytes);
  } finally {
    shared.close();
  }
  device = openSlotDevice(devicePath);
  const { header: readBack, heartbeats, fences } = survey(device);
  return {
    header: readBack,
    strayHeartbeats: [...heartbeats.keys()],
    strayFences: [...fences.keys()],
  };
}
