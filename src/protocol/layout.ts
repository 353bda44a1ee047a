import { ProtocolError } from "./error.ts";
import { isValidNodeID, SBD_MAX_NODES } from "./node-id.ts";

/** Bytes of a slot that carry meaning, and of the smallest stride. */
export const SBD_SLOT_SIZE = 512;
/** The largest stride: slots 0..255 of it fill one region exactly. */
export const STRIDE_MAX_BYTES = 4096;
/** Bytes of a region, which holds slots 0..255; also the size of each file in directory mode. */
export const REGION_SIZE_BYTES = (SBD_MAX_NODES + 1) * STRIDE_MAX_BYTES;
/** Where the fence region of a block device starts. */
export const FENCE_REGION_OFFSET_BYTES = REGION_SIZE_BYTES;
/** The smallest block device that holds both regions. */
export const DEVICE_SIZE_MIN_BYTES = 2 * REGION_SIZE_BYTES;
/** Directory mode: the file with device header and heartbeats. */
export const HEARTBEAT_FILE_NAME = "sbd-device";
/** Directory mode: the file with the fence messages. */
export const FENCE_FILE_NAME = "sbd-device-fence";

/** Both regions on one block device, or each in a file of its own in one directory. */
export type DeviceLayout = "BlockDevice" | "Directory";

/**
 * Distance from slot to slot for a device of this logical block size: at least 512 bytes, and whole
 * blocks, so that no write touches another node's slot.
 *
 * @throws ProtocolError `BAD_FIELD` unless the size is a power of two of at most 4096
 */
export function strideFor(logicalBlockSizeBytes: number): number {
  if (!isPowerOfTwo(logicalBlockSizeBytes) || logicalBlockSizeBytes > STRIDE_MAX_BYTES) {
    throw new ProtocolError(
      "BAD_FIELD",
      `Cannot lay out the device as its logical block size must be a power of two of at most ${STRIDE_MAX_BYTES}: current value is ${logicalBlockSizeBytes}`,
    );
  }
  return Math.max(SBD_SLOT_SIZE, logicalBlockSizeBytes);
}

/** Whether slots can lie this far apart: 512, 1024, 2048 or 4096 bytes. */
export function isValidStride(strideBytes: number): boolean {
  return (
    isPowerOfTwo(strideBytes) && strideBytes >= SBD_SLOT_SIZE && strideBytes <= STRIDE_MAX_BYTES
  );
}

/**
 * Where the heartbeat slot of a node starts, on a block device as in `sbd-device`.
 *
 * @throws ProtocolError `BAD_NODE_ID` or `BAD_FIELD` (the stride)
 */
export function heartbeatOffset(nodeID: number, strideBytes: number): number {
  if (!isValidNodeID(nodeID)) {
    throw new ProtocolError(
      "BAD_NODE_ID",
      `Cannot locate the slot as a node ID must be an integer of 1..${SBD_MAX_NODES}: current value is ${nodeID}`,
    );
  }
  requireStride(strideBytes);
  return nodeID * strideBytes;
}

/**
 * Where the fence slot of a node starts: on the block device, or in `sbd-device-fence`.
 *
 * @throws ProtocolError `BAD_NODE_ID` or `BAD_FIELD` (the stride)
 */
export function fenceOffset(nodeID: number, strideBytes: number, layout: DeviceLayout): number {
  const offset = heartbeatOffset(nodeID, strideBytes);
  return layout === "BlockDevice" ? FENCE_REGION_OFFSET_BYTES + offset : offset;
}

/** @throws ProtocolError `BAD_FIELD` unless slots can lie this far apart */
export function requireStride(strideBytes: number): void {
  if (isValidStride(strideBytes)) return;
  throw new ProtocolError(
    "BAD_FIELD",
    `Cannot use the stride as it must be 512, 1024, 2048 or 4096 bytes: current value is ${strideBytes}`,
  );
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value <= 2 ** 30 && (value & (value - 1)) === 0;
}
