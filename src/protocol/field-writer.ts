import { ProtocolError } from "./error.ts";

const U32_MAX = 0xffff_ffff;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const encoder = new TextEncoder();

/**
 * Writes the fields of a record one after another. Every method throws a ProtocolError `BAD_FIELD`
 * that names the field when the value does not fit; nothing is truncated.
 */
export class FieldWriter {
  /** Where the next field goes. */
  offset: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.offset = offset;
  }

  u8(field: string, value: number): void {
    requireInteger(field, value, 0xff);
    this.#bytes[this.#take(1)] = value;
  }

  u16(field: string, value: number): void {
    requireInteger(field, value, 0xffff);
    this.#view.setUint16(this.#take(2), value, true);
  }

  u32(field: string, value: number): void {
    requireInteger(field, value, U32_MAX);
    this.#view.setUint32(this.#take(4), value, true);
  }

  /** A 64-bit field whose value is a number: 0..2^53-1. */
  u64(field: string, value: number): void {
    requireInteger(field, value, Number.MAX_SAFE_INTEGER);
    this.#view.setBigUint64(this.#take(8), BigInt(value), true);
  }

  u64Big(field: string, value: bigint): void {
    if (value < 0n || value > U64_MAX) throw badField(field, "fit 64 bits without sign", value);
    this.#view.setBigUint64(this.#take(8), value, true);
  }

  /** Lower-case UUID with dashes, as 16 bytes in the order of its digits. */
  uuid(field: string, value: string): void {
    if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) {
      throw badField(field, "be a lower-case UUID with dashes", JSON.stringify(value));
    }
    this.hex(field, value.replaceAll("-", ""), 16);
  }

  /** Two lower-case hex digits a byte. */
  hex(field: string, value: string, byteCount: number): void {
    if (value.length !== byteCount * 2 || !/^[0-9a-f]*$/.test(value)) {
      throw badField(field, `be ${byteCount * 2} lower-case hex digits`, JSON.stringify(value));
    }
    const start = this.#take(byteCount);
    for (let i = 0; i < byteCount; i++) {
      this.#bytes[start + i] = (nibbleAt(value, i * 2) << 4) | nibbleAt(value, i * 2 + 1);
    }
  }

  /** UTF-8 of `minBytes`..`maxBytes` (at most 255) bytes, after a byte with their number. */
  text(field: string, value: string, minBytes: number, maxBytes: number): void {
    const encoded = encoder.encode(value);
    // The encoder would replace half a surrogate pair, and the reader see another name.
    if (!value.isWellFormed() || encoded.length < minBytes || encoded.length > maxBytes) {
      throw badField(
        field,
        `be valid text of ${minBytes}..${maxBytes} bytes`,
        JSON.stringify(value),
      );
    }
    this.u8(field, encoded.length);
    this.#bytes.set(encoded, this.#take(encoded.length));
  }

  #take(byteCount: number): number {
    const start = this.offset;
    this.offset += byteCount;
    return start;
  }
}

/** Value of a digit that is known to be lower-case hex. */
function nibbleAt(digits: string, at: number): number {
  const code = digits.charCodeAt(at);
  return code < 0x3a ? code - 0x30 : code - 0x57;
}

/** @throws ProtocolError `BAD_FIELD` unless `value` is an integer of 0..max */
function requireInteger(field: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw badField(field, `be an integer of 0..${max}`, value);
  }
}

function badField(field: string, must: string, value: string | number | bigint): ProtocolError {
  return new ProtocolError(
    "BAD_FIELD",
    `Cannot write the record as '${field}' must ${must}: current value is ${value}`,
  );
}
