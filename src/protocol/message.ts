import { ProtocolError } from "./error.ts";
import { isValidFenceReason } from "./fence-reason.ts";
import {
  SBD_HEADER_SIZE,
  SBD_MAGIC,
  SBD_VERSION,
  tooShort,
  unmarshal,
  writeHeader,
} from "./message-header.ts";
import type { SBDMessageHeader } from "./message-header.ts";
import { getMessageTypeName, SBD_MSG_TYPE_FENCE, SBD_MSG_TYPE_HEARTBEAT } from "./message-type.ts";
import { isValidNodeID, SBD_MAX_NODES } from "./node-id.ts";

export { calculateChecksum } from "./crc32.ts";
export {
  FENCE_REASON_HEARTBEAT_TIMEOUT,
  FENCE_REASON_MANUAL,
  FENCE_REASON_NONE,
  FENCE_REASON_RESOURCE_CONFLICT,
  FENCE_REASON_SPLIT_BRAIN,
  getFenceReasonName,
  isValidFenceReason,
} from "./fence-reason.ts";
export { marshal, SBD_HEADER_SIZE, SBD_MAGIC, SBD_VERSION, unmarshal } from "./message-header.ts";
export type { SBDMessageHeader } from "./message-header.ts";
export {
  getMessageTypeName,
  isValidMessageType,
  SBD_MSG_TYPE_FENCE,
  SBD_MSG_TYPE_HEARTBEAT,
} from "./message-type.ts";
export { isValidNodeID, SBD_MAX_NODES } from "./node-id.ts";

/** Bytes of a slot on a device with sectors of 512; {@link strideFor} has the others. */
export { SBD_SLOT_SIZE } from "./layout.ts";

/** Bytes of a whole fence message. */
export const SBD_FENCE_SIZE = 36;

/** A node is alive: the header says it all. */
export type SBDHeartbeatMessage = { header: SBDMessageHeader };

/** A node is to die. The header's checksum covers neither of the two fields of its own. */
export type SBDFenceMessage = {
  header: SBDMessageHeader;
  /** The node that is to die; the wire holds 0..65535, a node's is 1..255. */
  targetNodeID: number;
  /** One of the `FENCE_REASON_` constants. */
  reason: number;
};

/** Unix time in nanoseconds. */
export type UnixClock = () => bigint;

/**
 * Header for a heartbeat of `nodeID`, dated by `clock`. Its checksum is 0 until it is marshalled.
 *
 * @throws ProtocolError `BAD_NODE_ID` unless `nodeID` is 1..255, `BAD_FIELD` for a sequence that is
 * not an integer of 0..2^64-1
 */
export function newHeartbeat(
  nodeID: number,
  sequence: bigint | number,
  clock: UnixClock,
): SBDMessageHeader {
  if (!isValidNodeID(nodeID)) throw badNodeID("a heartbeat's node ID", nodeID, 1);
  return newHeader(SBD_MSG_TYPE_HEARTBEAT, nodeID, sequence, clock);
}

/**
 * Header for a fence message from `nodeID` to `targetNodeID`, dated by `clock`. Target and reason
 * are not part of a header: they are checked here, and go into the message beside it.
 *
 * @param nodeID the sender's ID, or 0 for a sender without a slot
 * @throws ProtocolError `BAD_NODE_ID`, `BAD_REASON`, or `BAD_FIELD` for the sequence
 */
export function newFence(
  nodeID: number,
  targetNodeID: number,
  sequence: bigint | number,
  reason: number,
  clock: UnixClock,
): SBDMessageHeader {
  if (nodeID !== 0 && !isValidNodeID(nodeID))
    throw badNodeID("a fence message's sender", nodeID, 0);
  if (!isValidNodeID(targetNodeID)) throw badNodeID("a fence message's target", targetNodeID, 1);
  if (!isValidFenceReason(reason)) throw badReason(reason);
  return newHeader(SBD_MSG_TYPE_FENCE, nodeID, sequence, clock);
}

/**
 * Heartbeat as its 33 bytes.
 *
 * @throws ProtocolError `BAD_TYPE` for another type of message, and whatever {@link marshal} throws
 */
export function marshalHeartbeat(message: SBDHeartbeatMessage): Uint8Array {
  requireType(message.header, SBD_MSG_TYPE_HEARTBEAT);
  const bytes = new Uint8Array(SBD_HEADER_SIZE);
  writeHeader(bytes, message.header);
  return bytes;
}

/**
 * Heartbeat from the first 33 bytes of `data`.
 *
 * @throws ProtocolError `BAD_TYPE` for another type of message, and whatever {@link unmarshal} throws
 */
export function unmarshalHeartbeat(data: Uint8Array): SBDHeartbeatMessage {
  const header = unmarshal(data);
  requireType(header, SBD_MSG_TYPE_HEARTBEAT);
  return { header };
}

/**
 * Fence message as its 36 bytes.
 *
 * @throws ProtocolError `BAD_TYPE` for another type of message, `BAD_NODE_ID` for a target outside
 * 0..65535, `BAD_REASON`, and whatever {@link marshal} throws
 */
export function marshalFence(message: SBDFenceMessage): Uint8Array {
  const bytes = new Uint8Array(SBD_FENCE_SIZE);
  writeFence(bytes, message);
  return bytes;
}

/** Writes the 36 bytes of {@link marshalFence} to the start of `bytes`, and throws as it does. */
export function writeFence(bytes: Uint8Array, message: SBDFenceMessage): void {
  const { header, targetNodeID, reason } = message;
  requireType(header, SBD_MSG_TYPE_FENCE);
  if ((targetNodeID & 0xffff) !== targetNodeID) {
    throw new ProtocolError(
      "BAD_NODE_ID",
      `Cannot write the message as its target must be an integer of 0..65535: current value is ${targetNodeID}`,
    );
  }
  if (!isValidFenceReason(reason)) throw badReason(reason);
  writeHeader(bytes, header);
  bytes[33] = targetNodeID;
  bytes[34] = targetNodeID >>> 8;
  bytes[35] = reason;
}

/**
 * Fence message from the first 36 bytes of `data`. Nothing in these bytes protects target and
 * reason: where the writer is one of ours, `decodeFenceSlot` checks them too.
 *
 * @throws ProtocolError `TOO_SHORT`, `BAD_TYPE` for another type of message, `BAD_REASON`, and
 * whatever {@link unmarshal} throws
 */
export function unmarshalFence(data: Uint8Array): SBDFenceMessage {
  const header = unmarshal(data);
  requireType(header, SBD_MSG_TYPE_FENCE);
  if (data.length < SBD_FENCE_SIZE) throw tooShort(data.length, SBD_FENCE_SIZE);
  const reason = data[35]!;
  if (!isValidFenceReason(reason)) throw badReason(reason);
  return { header, targetNodeID: data[33]! | (data[34]! << 8), reason };
}

function newHeader(
  type: number,
  nodeID: number,
  sequence: bigint | number,
  clock: UnixClock,
): SBDMessageHeader {
  if (typeof sequence === "number" && !Number.isSafeInteger(sequence)) {
    throw new ProtocolError(
      "BAD_FIELD",
      `Cannot make the message as its sequence must be an integer, and a bigint beyond 2^53-1: current value is ${sequence}`,
    );
  }
  const header = {
    magic: SBD_MAGIC,
    version: SBD_VERSION,
    type,
    nodeID,
    timestamp: clock(),
    sequence: BigInt(sequence),
    checksum: 0,
  };
  if (header.sequence !== BigInt.asUintN(64, header.sequence)) {
    throw new ProtocolError(
      "BAD_FIELD",
      `Cannot make the message as its sequence must fit 64 bits without sign: current value is ${sequence}`,
    );
  }
  return header;
}

function requireType(header: SBDMessageHeader, type: number): void {
  if (header.type === type) return;
  throw new ProtocolError(
    "BAD_TYPE",
    `Cannot take a message of type ${header.type} (${getMessageTypeName(header.type)}) for one of type ${type} (${getMessageTypeName(type)})`,
  );
}

function badNodeID(what: string, nodeID: number, lowest: number): ProtocolError {
  return new ProtocolError(
    "BAD_NODE_ID",
    `Cannot make the message as ${what} must be an integer of ${lowest}..${SBD_MAX_NODES}: current value is ${nodeID}`,
  );
}

function badReason(reason: number): ProtocolError {
  return new ProtocolError(
    "BAD_REASON",
    `Cannot understand a fence message with reason ${reason}: this program knows 0..4 only`,
  );
}
