import { ProtocolError } from "./error.ts";
import { CHECKED_BYTES, messageChecksum } from "./message-checksum.ts";
import { isValidMessageType } from "./message-type.ts";

/** First eight bytes of every message, in ASCII. */
export const SBD_MAGIC = "SBDMSG01";
/** The one version of the message format. */
export const SBD_VERSION = 1;
/** Bytes of the header, and of a whole heartbeat message. */
export const SBD_HEADER_SIZE = 33;

/** Header of every message, 33 bytes on the wire. */
export type SBDMessageHeader = {
  /** {@link SBD_MAGIC}. */
  magic: string;
  /** {@link SBD_VERSION}. */
  version: number;
  /** `SBD_MSG_TYPE_HEARTBEAT` or `SBD_MSG_TYPE_FENCE`. */
  type: number;
  /** The sender's ID; the wire holds 0..65535, a node's is 1..255. */
  nodeID: number;
  /** The sender's wall clock, Unix nanoseconds, 0..2^64-1. */
  timestamp: bigint;
  /** 0..2^64-1. */
  sequence: bigint;
  /** CRC-32 over bytes 0..28. Reading fills it in; writing computes it and ignores this one. */
  checksum: number;
};

const U64_MAX = 0xffff_ffff_ffff_ffffn;
const MAGIC_WORD_0 = 0x4d444253; // "SBDM"
const MAGIC_WORD_4 = 0x31304753; // "SG01"

// A DataView over a short array would first move that array out of the JavaScript heap, which costs
// more than the whole message. This one serves to take 64-bit integers apart, on any host.
const scratch = new DataView(new ArrayBuffer(16));

/**
 * Header as the 33 bytes of the wire, with its checksum computed.
 *
 * @throws ProtocolError `BAD_MAGIC`, `BAD_VERSION`, `BAD_TYPE`, `BAD_NODE_ID` (outside 0..65535) or
 * `BAD_FIELD`: no value is ever truncated to fit
 */
export function marshal(header: SBDMessageHeader): Uint8Array {
  const bytes = new Uint8Array(SBD_HEADER_SIZE);
  writeHeader(bytes, header);
  return bytes;
}

/**
 * Header from the first 33 bytes of `data`; what follows them is not looked at.
 *
 * @throws ProtocolError `TOO_SHORT`, `BAD_MAGIC`, `BAD_CHECKSUM`, `BAD_VERSION` or `BAD_TYPE`
 */
export function unmarshal(data: Uint8Array): SBDMessageHeader {
  if (data.length < SBD_HEADER_SIZE) throw tooShort(data.length, SBD_HEADER_SIZE);
  if (wordAt(data, 0) !== MAGIC_WORD_0 || wordAt(data, 4) !== MAGIC_WORD_4) throw badMagic(data);

  const word8 = wordAt(data, 8);
  const word12 = wordAt(data, 12);
  const word16 = wordAt(data, 16);
  const word20 = wordAt(data, 20);
  const word24 = wordAt(data, 24);
  const byte28 = data[28]!;
  const checksum = wordAt(data, CHECKED_BYTES);
  const computed = messageChecksum(word8, word12, word16, word20, word24, byte28);
  if (checksum !== computed) throw badChecksum(checksum, computed);

  const version = word8 & 0xffff;
  if (version !== SBD_VERSION) throw badVersion(version);
  const type = (word8 >>> 16) & 0xff;
  if (!isValidMessageType(type)) throw badType(type);

  scratch.setInt32(0, (word12 >>> 8) | (word16 << 24), true);
  scratch.setInt32(4, (word16 >>> 8) | (word20 << 24), true);
  scratch.setInt32(8, (word20 >>> 8) | (word24 << 24), true);
  scratch.setInt32(12, (word24 >>> 8) | (byte28 << 24), true);
  return {
    magic: SBD_MAGIC,
    version,
    type,
    nodeID: (word8 >>> 24) | ((word12 & 0xff) << 8),
    timestamp: scratch.getBigUint64(0, true),
    sequence: scratch.getBigUint64(8, true),
    checksum: checksum >>> 0,
  };
}

/** Writes the 33 bytes of {@link marshal} to the start of `bytes`, and throws as it does. */
export function writeHeader(bytes: Uint8Array, header: SBDMessageHeader): void {
  const { version, type, nodeID, timestamp, sequence } = header;
  if (header.magic !== SBD_MAGIC) {
    throw new ProtocolError(
      "BAD_MAGIC",
      `Cannot write the message as its magic must be "${SBD_MAGIC}": current value is "${header.magic}"`,
    );
  }
  if (version !== SBD_VERSION) throw badVersion(version);
  if (!isValidMessageType(type)) throw badType(type);
  if ((nodeID & 0xffff) !== nodeID) {
    throw new ProtocolError(
      "BAD_NODE_ID",
      `Cannot write the message as its node ID must be an integer of 0..65535: current value is ${nodeID}`,
    );
  }
  if (timestamp < 0n || timestamp > U64_MAX) throw badU64("timestamp", timestamp);
  if (sequence < 0n || sequence > U64_MAX) throw badU64("sequence", sequence);

  scratch.setBigUint64(0, timestamp, true);
  scratch.setBigUint64(8, sequence, true);
  const timestampLow = scratch.getInt32(0, true);
  const timestampHigh = scratch.getInt32(4, true);
  const sequenceLow = scratch.getInt32(8, true);
  const sequenceHigh = scratch.getInt32(12, true);

  const word8 = version | (type << 16) | (nodeID << 24);
  const word12 = (nodeID >>> 8) | (timestampLow << 8);
  const word16 = (timestampLow >>> 24) | (timestampHigh << 8);
  const word20 = (timestampHigh >>> 24) | (sequenceLow << 8);
  const word24 = (sequenceLow >>> 24) | (sequenceHigh << 8);
  const byte28 = sequenceHigh >>> 24;
  putWord(bytes, 0, MAGIC_WORD_0);
  putWord(bytes, 4, MAGIC_WORD_4);
  putWord(bytes, 8, word8);
  putWord(bytes, 12, word12);
  putWord(bytes, 16, word16);
  putWord(bytes, 20, word20);
  putWord(bytes, 24, word24);
  bytes[28] = byte28;
  putWord(bytes, CHECKED_BYTES, messageChecksum(word8, word12, word16, word20, word24, byte28));
}

/** The error for bytes that end before the message does. */
export function tooShort(length: number, needed: number): ProtocolError {
  return new ProtocolError(
    "TOO_SHORT",
    `Cannot read the message as it needs ${needed} bytes: there are ${length}`,
  );
}

function badMagic(data: Uint8Array): ProtocolError {
  let found = "";
  for (let i = 0; i < SBD_MAGIC.length; i++) found += data[i]!.toString(16).padStart(2, "0");
  return new ProtocolError(
    "BAD_MAGIC",
    `Cannot read the message as it must start with "${SBD_MAGIC}": its first bytes are ${found}`,
  );
}

function badChecksum(stored: number, computed: number): ProtocolError {
  return new ProtocolError(
    "BAD_CHECKSUM",
    `Cannot trust the message as its checksum does not fit its bytes: stored 0x${(stored >>> 0).toString(16)}, computed 0x${(computed >>> 0).toString(16)}`,
  );
}

function badVersion(version: number): ProtocolError {
  return new ProtocolError(
    "BAD_VERSION",
    `Cannot understand a message of version ${version}: this program knows version ${SBD_VERSION} only`,
  );
}

function badType(type: number): ProtocolError {
  return new ProtocolError(
    "BAD_TYPE",
    `Cannot understand a message of type ${type}: this program knows heartbeat (1) and fence (2) only`,
  );
}

function badU64(field: string, value: bigint): ProtocolError {
  return new ProtocolError(
    "BAD_FIELD",
    `Cannot write the message as its ${field} must fit 64 bits without sign: current value is ${value}`,
  );
}

function wordAt(data: Uint8Array, at: number): number {
  return data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
}

function putWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}
