import { ProtocolError } from "./error.ts";
import type { ProtocolErrorCode } from "./error.ts";
import { isValidFenceReason } from "./fence-reason.ts";
import { messageChecksum } from "./message-checksum.ts";
import { SBD_HEADER_SIZE, SBD_VERSION } from "./message-header.ts";
import { SBD_MSG_TYPE_FENCE, SBD_MSG_TYPE_HEARTBEAT } from "./message-type.ts";
import { SBD_FENCE_SIZE } from "./message.ts";

const MAGIC_WORD_0 = 0x4d444253; // "SBDM"
const MAGIC_WORD_4 = 0x31304753; // "SG01"
const TWO_32 = 0x1_0000_0000;
const MS_PART = 0x1_0000;

/**
 * The messages for a caller in a hurry: bound to the bytes of one slot, made once, and used
 * for every pass after. Neither encoding nor decoding allocates anything.
 *
 * Encoding writes the fields to the bytes; decoding fills the fields from the bytes, and leaves
 * them as they were when it returns anything but `OK`. The bytes are those of `message.ts`; only
 * the integers differ: `sequence` is a number, so at most 2^53-1, and the timestamp two halves.
 *
 * @example
 * const message = new HotMessage(new Uint8Array(512));
 * message.nodeID = 7;
 * message.sequence++;
 * message.setTimestampMs(wallMs);
 * message.encodeHeartbeat();
 */
export class HotMessage {
  /** The sender's ID, 0..65535. */
  nodeID = 0;
  /** 0..2^53-1. */
  sequence = 0;
  /** Low 32 bits of the timestamp in Unix nanoseconds, 0..2^32-1. */
  timestampLow = 0;
  /** High 32 bits of it. */
  timestampHigh = 0;
  /** Fence only: the node that is to die, 0..65535. */
  targetNodeID = 0;
  /** Fence only: one of the `FENCE_REASON_` constants. */
  reason = 0;

  readonly #view: DataView;

  /**
   * @param slot at least 36 bytes, of which the first 33 (heartbeat) or 36 (fence) are used
   * @throws ProtocolError `TOO_SHORT`
   */
  constructor(slot: Uint8Array) {
    if (slot.length < SBD_FENCE_SIZE) {
      throw new ProtocolError(
        "TOO_SHORT",
        `Cannot use the slot as a message needs ${SBD_FENCE_SIZE} bytes: there are ${slot.length}`,
      );
    }
    this.#view = new DataView(slot.buffer, slot.byteOffset, SBD_FENCE_SIZE);
    // V8 keeps a field as a small integer until it once held something else; a field that changes
    // over in mid-flight throws away the machine code that knew it.
    this.sequence = this.timestampLow = this.timestampHigh = Number.MAX_SAFE_INTEGER;
    this.sequence = this.timestampLow = this.timestampHigh = 0;
  }

  /**
   * Sets the timestamp from Unix milliseconds, an integer of 0..2^53-1.
   *
   * @throws ProtocolError `BAD_FIELD`, also where the nanoseconds would not fit 64 bits
   */
  setTimestampMs(wallMs: number): void {
    // 1e6 × ms exceeds what a double holds exactly, so the product is made in two parts.
    const upper = Math.floor(wallMs / MS_PART) * 1e6;
    const lower = (upper % MS_PART) * MS_PART + (wallMs % MS_PART) * 1e6;
    const high = Math.floor(upper / MS_PART) + Math.floor(lower / TWO_32);
    if (!Number.isSafeInteger(wallMs) || wallMs < 0 || high >= TWO_32) {
      throw badField("wall clock in milliseconds", wallMs);
    }
    this.timestampHigh = high;
    this.timestampLow = lower % TWO_32;
  }

  /**
   * Writes the 33 bytes of a heartbeat.
   *
   * @throws ProtocolError `BAD_NODE_ID` or `BAD_FIELD`; the bytes are then as they were
   */
  encodeHeartbeat(): void {
    this.#encodeHeader(SBD_MSG_TYPE_HEARTBEAT);
  }

  /**
   * Writes the 36 bytes of a fence message.
   *
   * @throws ProtocolError `BAD_NODE_ID`, `BAD_REASON` or `BAD_FIELD`; the bytes are then as they were
   */
  encodeFence(): void {
    const { targetNodeID, reason } = this;
    if ((targetNodeID & 0xffff) !== targetNodeID) throw badID("target", targetNodeID);
    if (!isValidFenceReason(reason)) {
      throw new ProtocolError(
        "BAD_REASON",
        `Cannot write the message as its reason must be 0..4: current value is ${reason}`,
      );
    }
    this.#encodeHeader(SBD_MSG_TYPE_FENCE);
    this.#view.setUint16(SBD_HEADER_SIZE, targetNodeID, true);
    this.#view.setUint8(SBD_HEADER_SIZE + 2, reason);
  }

  /**
   * Reads a heartbeat. Apart from `OK`, the codes are those that `unmarshalHeartbeat` throws, and
   * `BAD_FIELD` for a sequence beyond 2^53-1.
   */
  decodeHeartbeat(): "OK" | ProtocolErrorCode {
    return this.#decode(SBD_MSG_TYPE_HEARTBEAT);
  }

  /**
   * Reads a fence message. Apart from `OK`, the codes are those that `unmarshalFence` throws, and
   * `BAD_FIELD` for a sequence beyond 2^53-1.
   */
  decodeFence(): "OK" | ProtocolErrorCode {
    return this.#decode(SBD_MSG_TYPE_FENCE);
  }

  #encodeHeader(type: number): void {
    const { nodeID, sequence, timestampLow, timestampHigh } = this;
    if ((nodeID & 0xffff) !== nodeID) throw badID("node ID", nodeID);
    const sequenceLow = sequence >>> 0;
    const sequenceHigh = (sequence - sequenceLow) / TWO_32;
    if ((sequenceHigh & 0x1f_ffff) !== sequenceHigh) throw badField("sequence", sequence);
    if (timestampLow >>> 0 !== timestampLow) throw badField("timestampLow", timestampLow);
    if (timestampHigh >>> 0 !== timestampHigh) throw badField("timestampHigh", timestampHigh);

    const word8 = SBD_VERSION | (type << 16) | (nodeID << 24);
    const word12 = (nodeID >>> 8) | (timestampLow << 8);
    const word16 = (timestampLow >>> 24) | (timestampHigh << 8);
    const word20 = (timestampHigh >>> 24) | (sequenceLow << 8);
    const word24 = (sequenceLow >>> 24) | (sequenceHigh << 8);
    const byte28 = sequenceHigh >>> 24;
    const view = this.#view;
    view.setInt32(0, MAGIC_WORD_0, true);
    view.setInt32(4, MAGIC_WORD_4, true);
    view.setInt32(8, word8, true);
    view.setInt32(12, word12, true);
    view.setInt32(16, word16, true);
    view.setInt32(20, word20, true);
    view.setInt32(24, word24, true);
    view.setUint8(28, byte28);
    view.setInt32(29, messageChecksum(word8, word12, word16, word20, word24, byte28), true);
  }

  #decode(expectedType: number): "OK" | ProtocolErrorCode {
    const view = this.#view;
    if (view.getInt32(0, true) !== MAGIC_WORD_0 || view.getInt32(4, true) !== MAGIC_WORD_4) {
      return "BAD_MAGIC";
    }
    const word8 = view.getInt32(8, true);
    const word12 = view.getInt32(12, true);
    const word16 = view.getInt32(16, true);
    const word20 = view.getInt32(20, true);
    const word24 = view.getInt32(24, true);
    const byte28 = view.getUint8(28);
    const checksum = messageChecksum(word8, word12, word16, word20, word24, byte28);
    if (view.getInt32(29, true) !== checksum) return "BAD_CHECKSUM";
    if ((word8 & 0xffff) !== SBD_VERSION) return "BAD_VERSION";
    if (((word8 >>> 16) & 0xff) !== expectedType) return "BAD_TYPE";
    const sequenceHigh = (word24 >>> 8) | (byte28 << 24);
    if ((sequenceHigh & 0x1f_ffff) !== sequenceHigh) return "BAD_FIELD";
    if (expectedType === SBD_MSG_TYPE_FENCE) {
      const reason = view.getUint8(SBD_HEADER_SIZE + 2);
      if (!isValidFenceReason(reason)) return "BAD_REASON";
      this.targetNodeID = view.getUint16(SBD_HEADER_SIZE, true);
      this.reason = reason;
    }
    this.nodeID = (word8 >>> 24) | ((word12 & 0xff) << 8);
    this.timestampLow = ((word12 >>> 8) | (word16 << 24)) >>> 0;
    this.timestampHigh = ((word16 >>> 8) | (word20 << 24)) >>> 0;
    this.sequence = sequenceHigh * TWO_32 + (((word20 >>> 8) | (word24 << 24)) >>> 0);
    return "OK";
  }
}

function badID(field: string, value: number): ProtocolError {
  return new ProtocolError(
    "BAD_NODE_ID",
    `Cannot write the message as its ${field} must be an integer of 0..65535: current value is ${value}`,
  );
}

function badField(field: string, value: number): ProtocolError {
  return new ProtocolError(
    "BAD_FIELD",
    `Cannot write the message as its ${field} is not an integer in range: current value is ${value}`,
  );
}
