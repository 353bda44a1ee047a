import { crc32c } from "./crc32c.ts";
import { ProtocolError } from "./error.ts";
import { FieldReader, isZero, u32At } from "./field-reader.ts";
import { FieldWriter, putU32 } from "./field-writer.ts";
import { SBD_SLOT_SIZE } from "./layout.ts";
import { SBD_MAGIC, SBD_VERSION } from "./message-header.ts";
import type { SBDMessageHeader } from "./message-header.ts";

/** Where a record's extension starts; between the message and this all is zero. */
export const EXTENSION_OFFSET = 64;
/** The one version of the extension. */
export const EXTENSION_VERSION = 1;

const EXTENSION_MAGIC = 0x58444253; // "SBDX"
const VERSION_OFFSET = 68;
const HEADER_CHECKSUM_OFFSET = 29;
const FIRST_COPY_OFFSET = 72;
const FIELDS_OFFSET = 76;
// A Go writer changes the header and leaves both copies behind. A broken bit spoils one copy at
// most. With one copy the two would look alike, and a fence message meant for one boot would pass
// for a Go one, which any boot obeys.
const SECOND_COPY_OFFSET = 504;
const CRC32C_OFFSET = 508;

/**
 * Header for the message at the start of a record.
 *
 * @throws ProtocolError `BAD_FIELD` for a sequence that is not an integer of 0..2^53-1
 */
export function recordHeader(
  type: number,
  nodeID: number,
  timestampNs: bigint,
  sequence: number,
): SBDMessageHeader {
  if (!Number.isSafeInteger(sequence) || sequence < 0) {
    throw new ProtocolError(
      "BAD_FIELD",
      `Cannot write the record as 'sequence' must be an integer of 0..2^53-1: current value is ${sequence}`,
    );
  }
  return {
    magic: SBD_MAGIC,
    version: SBD_VERSION,
    type,
    nodeID,
    timestamp: timestampNs,
    sequence: BigInt(sequence),
    checksum: 0,
  };
}

/** Writes the extension's fields; the message must stand at the start of `bytes` already. */
export function writeExtension(
  bytes: Uint8Array,
  writeFields: (fields: FieldWriter) => void,
): void {
  const fields = new FieldWriter(bytes, FIELDS_OFFSET);
  writeFields(fields);
  const headerChecksum = u32At(bytes, HEADER_CHECKSUM_OFFSET);
  putU32(bytes, EXTENSION_OFFSET, EXTENSION_MAGIC);
  putU32(bytes, VERSION_OFFSET, EXTENSION_VERSION | ((fields.offset - EXTENSION_OFFSET) << 16));
  putU32(bytes, FIRST_COPY_OFFSET, headerChecksum);
  putU32(bytes, SECOND_COPY_OFFSET, headerChecksum);
  sealRecord(bytes);
}

/**
 * Reads the extension that belongs to the message at the start of `bytes`.
 *
 * @param messageBytes bytes of that message, 33 or 36
 * @returns what `readFields` returns, or `"bare"` when the extension is absent or was written with
 * another message
 * @throws ProtocolError `BAD_CHECKSUM` when it belongs to this message and is damaged, `BAD_VERSION`
 * or `BAD_FIELD` when it is whole and cannot be understood
 */
export function readExtension<T>(
  bytes: Uint8Array,
  messageBytes: number,
  readFields: (fields: FieldReader) => T,
): T | "bare" {
  const headerChecksum = u32At(bytes, HEADER_CHECKSUM_OFFSET);
  const firstCopy = u32At(bytes, FIRST_COPY_OFFSET);
  const secondCopy = u32At(bytes, SECOND_COPY_OFFSET);
  if (firstCopy !== headerChecksum && secondCopy !== headerChecksum) {
    return "bare";
  }
  // One message in 2^32 has the checksum 0, and no extension.
  if (headerChecksum === 0 && isZero(bytes, EXTENSION_OFFSET, SBD_SLOT_SIZE)) return "bare";

  requireSeal(bytes);
  if (!isZero(bytes, SBD_SLOT_SIZE, bytes.length)) {
    throw new ProtocolError(
      "BAD_CHECKSUM",
      `Cannot trust the record as bytes follow its first ${SBD_SLOT_SIZE}, where it has only zeros`,
    );
  }
  const versionAndLength = u32At(bytes, VERSION_OFFSET);
  const version = versionAndLength & 0xffff;
  if (u32At(bytes, EXTENSION_OFFSET) !== EXTENSION_MAGIC) {
    throw new ProtocolError("BAD_MAGIC", 'Cannot understand the extension as it is not an "SBDX"');
  }
  if (version !== EXTENSION_VERSION) {
    throw new ProtocolError(
      "BAD_VERSION",
      `Cannot understand an extension of version ${version}: this program knows version ${EXTENSION_VERSION} only`,
    );
  }
  if (firstCopy !== secondCopy) {
    throw new ProtocolError("BAD_FIELD", "Cannot accept the record as its header copies differ");
  }
  if (!isZero(bytes, messageBytes, EXTENSION_OFFSET)) {
    throw new ProtocolError("BAD_FIELD", "Cannot accept the record as its padding is not zero");
  }
  const fields = new FieldReader(bytes, FIELDS_OFFSET);
  const result = readFields(fields);
  fields.finish(EXTENSION_OFFSET + (versionAndLength >>> 16), SECOND_COPY_OFFSET);
  return result;
}

/** Writes the CRC-32C over bytes 0..507 to byte 508. */
export function sealRecord(bytes: Uint8Array): void {
  putU32(bytes, CRC32C_OFFSET, crc32c(bytes, CRC32C_OFFSET));
}

/** @throws ProtocolError `BAD_CHECKSUM` unless the CRC-32C at byte 508 fits bytes 0..507 */
export function requireSeal(bytes: Uint8Array): void {
  const stored = u32At(bytes, CRC32C_OFFSET);
  const computed = crc32c(bytes, CRC32C_OFFSET);
  if (stored === computed) return;
  throw new ProtocolError(
    "BAD_CHECKSUM",
    `Cannot trust the record as its CRC-32C does not fit its bytes: stored 0x${stored.toString(16)}, computed 0x${computed.toString(16)}`,
  );
}

/** @throws ProtocolError `TOO_SHORT` for bytes that are less than a slot */
export function requireSlotLength(bytes: Uint8Array): void {
  if (bytes.length >= SBD_SLOT_SIZE) return;
  throw new ProtocolError(
    "TOO_SHORT",
    `Cannot read the slot as it has ${SBD_SLOT_SIZE} bytes at least: there are ${bytes.length}`,
  );
}
