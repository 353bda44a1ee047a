import { openSharedDevice, type Region, type SharedDevice } from "./block-device.ts";
import { decodeDeviceHeader, type HeaderSlot } from "../protocol/device-header.ts";
import {
  decodeFenceSlot,
  encodeFenceRecord,
  type FenceRecord,
  type FenceSlot,
} from "../protocol/fence-record.ts";
import {
  decodeHeartbeatSlot,
  encodeHeartbeatRecord,
  type HeartbeatRecord,
  type HeartbeatSlot,
} from "../protocol/heartbeat-record.ts";
import { SBD_MAX_NODES } from "../protocol/message.ts";
import { strideFor } from "../protocol/layout.ts";
import { SlotMemory } from "../protocol/slot-memory.ts";

/** The shared device in slots and records. Synchronous; for a thread of its own, or a program. */
export type SlotDevice = {
  readonly shared: SharedDevice;
  readHeader(): HeaderSlot;
  readHeartbeat(nodeID: number): HeartbeatSlot;
  readFence(nodeID: number): FenceSlot;
  /** Every slot that is not empty, in one read. */
  readHeartbeats(): ReadonlyMap<number, HeartbeatSlot>;
  readFences(): ReadonlyMap<number, FenceSlot>;
  /** Written and flushed. */
  writeHeartbeat(record: HeartbeatRecord): void;
  writeFence(record: FenceRecord): void;
  close(): void;
};

/**
 * Opens the device under a path. The distance between slots is the header's; where there is no
 * readable header (a device of Go agents, or a damaged one) it is what the header last said, else
 * what initialisation would choose. No slot is written while a damaged header hides it.
 */
export function openSlotDevice(path: string): SlotDevice {
  const shared = openSharedDevice(path);
  let strideBytes = strideFor(shared.logicalBlockBytes);
  const heartbeats = new SlotMemory(sharingMoving());
  const fences = new SlotMemory(decodeFenceSlot);
  /** A header, or none at all, has said where slots are; a damaged one has not. */
  let knowsStride = false;

  function readSlot(region: Region, nodeID: number): Uint8Array {
    return shared.readAt(region, nodeID * strideBytes, strideBytes);
  }
  function readSlots<Slot extends { readonly kind: string }>(
    region: Region,
    memory: SlotMemory<Slot>,
  ): ReadonlyMap<number, Slot> {
    return memory.read(shared.readAt(region, 0, (SBD_MAX_NODES + 1) * strideBytes), strideBytes);
  }
  function write(region: Region, nodeID: number, bytes: Uint8Array): void {
    if (!knowsStride) {
      throw new Error(
        `Cannot write slot ${nodeID} as no readable header has told how far apart slots are: it ` +
          `would land in another node's slot`,
      );
    }
    shared.writeAt(region, nodeID * strideBytes, bytes);
    shared.sync(region);
  }

  function readHeader(): HeaderSlot {
    const slot = decodeDeviceHeader(shared.readAt("heartbeat", 0, strideBytes));
    if (slot.kind === "header" && slot.header.strideBytes % shared.logicalBlockBytes !== 0) {
      return {
        kind: "unreadable",
        code: "BAD_FIELD",
        detail:
          `its slots are ${slot.header.strideBytes} bytes apart and this device has blocks of ` +
          `${shared.logicalBlockBytes} bytes: it was initialised on other hardware`,
      };
    }
    if (slot.kind === "header") {
      strideBytes = slot.header.strideBytes;
    }
    knowsStride ||= slot.kind !== "unreadable";
    return slot;
  }

  try {
    readHeader();
  } catch (error) {
    shared.close();
    throw error;
  }
  return {
    shared,
    readHeader,
    readHeartbeat: (nodeID) => decodeHeartbeatSlot(readSlot("heartbeat", nodeID), nodeID),
    readFence: (nodeID) => decodeFenceSlot(readSlot("fence", nodeID), nodeID),
    readHeartbeats: () => readSlots("heartbeat", heartbeats),
    readFences: () => readSlots("fence", fences),
    writeHeartbeat: (record) =>
      write("heartbeat", record.nodeID, encodeHeartbeatRecord(record, strideBytes)),
    writeFence: (record) =>
      write("fence", record.targetNodeID, encodeFenceRecord(record, strideBytes)),
    close: () => shared.close(),
  };
}

/**
 * Peers that are well list the same nodes as moving. One list stands for all of them: a message to another
 * thread then carries it once, not once a slot.
 */
function sharingMoving(): typeof decodeHeartbeatSlot {
  let last: readonly number[] = [];
  return (bytes, nodeID) => {
    const slot = decodeHeartbeatSlot(bytes, nodeID);
    if (slot.kind !== "heartbeat") {
      return slot;
    }
    const { moving } = slot.record;
    const isSame =
      moving.length === last.length && moving.every((each, index) => each === last[index]);
    if (!isSame) last = moving;
    return isSame ? { ...slot, record: { ...slot.record, moving: last } } : slot;
  };
}
