import fs from "node:fs";
import { join } from "node:path";

import {
  DEVICE_SIZE_MIN_BYTES,
  type DeviceLayout,
  FENCE_FILE_NAME,
  FENCE_REGION_OFFSET_BYTES,
  HEARTBEAT_FILE_NAME,
  REGION_SIZE_BYTES,
} from "../protocol/layout.ts";
import { BlockDeviceError } from "./block-device-error.ts";
import { DirectFile, type PathIdentity } from "./direct-file.ts";

/** The two halves of the shared device; slot *i* is at `i × stride` in each. */
export type Region = "heartbeat" | "fence";

/**
 * The shared device. Every call is synchronous and lasts as long as the storage takes, so it belongs
 * on the disk worker's thread. Offsets count from the start of the region, in bytes; offsets and
 * lengths are whole logical blocks. Every method but `identity` and `close` throws BlockDeviceError.
 */
export type SharedDevice = {
  readonly path: string;
  readonly layout: DeviceLayout;
  /** Bytes of one block: 512 to 4096. */
  readonly logicalBlockBytes: number;
  /** Of the block device or file; of both files together in directory mode. */
  readonly sizeBytes: number;
  /** Read in full, past the page cache, into memory of the caller's own. */
  readAt(region: Region, offset: number, length: number): Uint8Array;
  /** Written in full or an error; durable only after `sync`. */
  writeAt(region: Region, offset: number, bytes: Uint8Array): void;
  /** All earlier writes to the region are on stable storage when this returns. */
  sync(region: Region): void;
  /** Whether the path still leads to what is open: a path says nothing about what it names. */
  identity(): PathIdentity;
  close(): void;
};

/**
 * Opens what the path leads to: a block device, a regular file laid out as one, or a directory of a
 * shared filesystem with `sbd-device` and `sbd-device-fence`. Creates and writes nothing.
 *
 * @throws BlockDeviceError `NOT_FOUND`, `NOT_A_DEVICE`, `PERMISSION`, `READ_ONLY`, `NO_DIRECT_IO`,
 *   `UNSUPPORTED_BLOCK_SIZE`, `TOO_SMALL`, `OPEN_FAILED`, `READ_FAILED`
 */
export function openSharedDevice(path: string): SharedDevice {
  return isDirectory(path) ? openDirectory(path) : openSingle(path);
}

/** What cannot be looked up is left to the opening, which says why. */
function isDirectory(path: string): boolean {
  try {
    return fs.statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function openSingle(path: string): SharedDevice {
  const file = openAtLeast(path, DEVICE_SIZE_MIN_BYTES);
  return sharedDevice(path, "BlockDevice", {
    heartbeat: { file, start: 0 },
    fence: { file, start: FENCE_REGION_OFFSET_BYTES },
  });
}

function openDirectory(path: string): SharedDevice {
  const heartbeat = openAtLeast(join(path, HEARTBEAT_FILE_NAME), REGION_SIZE_BYTES);
  try {
    const fence = openAtLeast(join(path, FENCE_FILE_NAME), REGION_SIZE_BYTES);
    return sharedDevice(path, "Directory", {
      heartbeat: { file: heartbeat, start: 0 },
      fence: { file: fence, start: 0 },
    });
  } catch (error) {
    heartbeat.close();
    throw error;
  }
}

function openAtLeast(path: string, minBytes: number): DirectFile {
  const file = new DirectFile(path);
  if (file.sizeBytes >= minBytes) return file;
  file.close();
  throw new BlockDeviceError(
    "TOO_SMALL",
    `${path} has ${file.sizeBytes} bytes, too few for the slots of 255 nodes, so this node is not ` +
      `protected. It needs at least ${minBytes} bytes; use a larger volume.`,
  );
}

type Place = { readonly file: DirectFile; readonly start: number };

function sharedDevice(
  path: string,
  layout: DeviceLayout,
  places: Readonly<Record<Region, Place>>,
): SharedDevice {
  const files = [...new Set([places.heartbeat.file, places.fence.file])];
  return {
    path,
    layout,
    logicalBlockBytes: Math.max(...files.map((file) => file.logicalBlockBytes)),
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    readAt(region, offset, length) {
      requireInRegion(region, offset, length);
      return places[region].file.read(places[region].start + offset, length);
    },
    writeAt(region, offset, bytes) {
      requireInRegion(region, offset, bytes.length);
      places[region].file.write(places[region].start + offset, bytes);
    },
    sync(region) {
      places[region].file.sync();
    },
    identity() {
      const each = files.map((file) => file.identity());
      return each.find((identity) => identity.kind !== "same") ?? { kind: "same" };
    },
    close() {
      for (const file of files) file.close();
    },
  };
}

function requireInRegion(region: Region, offset: number, length: number): void {
  if (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length > 0 &&
    offset + length <= REGION_SIZE_BYTES
  ) {
    return;
  }
  throw new BlockDeviceError(
    "OUT_OF_RANGE",
    `Cannot reach ${length} bytes at offset ${offset} as the ${region} region has ` +
      `${REGION_SIZE_BYTES} bytes`,
  );
}
