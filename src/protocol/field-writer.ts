import { ProtocolError } from "./error.ts";

const U32_MAX = 0xffff_ffff;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const TWO_32 = 0x1_0000_0000;
const DASH = 0x2d;
const encoder = new TextEncoder();

/** What a lower-case hex digit is worth, by its character code; -1 for every other character. */
const NIBBLES = Int8Array.from({ length: 128 }, (_, code) =>
  "0123456789abcdef".indexOf(String.fromCharCode(code)),
);

/**
 * Writes the fields of a record one after another. Every method throws a ProtocolError `BAD_FIELD`
 * that names the field when the value does not fit; nothing is truncated.
 */
export class FieldWriter {
  /** Where the next field goes. */
  offset: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.offset = offset;
  }

  u8(field: string, value: number): void {
    requireInteger(field, value, 0xff);
    this.#bytes[this.#take(1)] = value;
  }

  u16(field: string, value: number): void {
    requireInteger(field, value, 0xffff);
    const at = this.#take(2);
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
  }

  u32(field: string, value: number): void {
    requireInteger(field, value, U32_MAX);
    putU32(this.#bytes, this.#take(4), value);
  }

  /** A 64-bit field whose value is a number: 0..2^53-1. */
  u64(field: string, value: number): void {
    requireInteger(field, value, Number.MAX_SAFE_INTEGER);
    const at = this.#take(8);
    putU32(this.#bytes, at, value >>> 0);
    putU32(this.#bytes, at + 4, Math.floor(value / TWO_32));
  }

  u64Big(field: string, value: bigint): void {
    if (value < 0n || value > U64_MAX) throw badField(field, "fit 64 bits without sign", value);
    const at = this.#take(8);
    putU32(this.#bytes, at, Number(value & 0xffff_ffffn));
    putU32(this.#bytes, at + 4, Number(value >> 32n));
  }

  /** Lower-case UUID with dashes, as 16 bytes in the order of its digits. */
  uuid(field: string, value: string): void {
    const at = this.#take(16);
    let wrong = value.length === 36 ? 0 : -1;
    for (let i = 0, digit = 0; i < 16 && wrong >= 0; i++, digit += 2) {
      if (i === 4 || i === 6 || i === 8 || i === 10) {
        if (value.charCodeAt(digit) !== DASH) wrong = -1;
        digit += 1;
      }
      wrong |= this.#putHex(at + i, value, digit);
    }
    if (wrong < 0) {
      throw badField(field, "be a lower-case UUID with dashes", JSON.stringify(value));
    }
  }

  /** Two lower-case hex digits a byte. */
  hex(field: string, value: string, byteCount: number): void {
    const at = this.#take(byteCount);
    let wrong = value.length === byteCount * 2 ? 0 : -1;
    for (let i = 0; i < byteCount && wrong >= 0; i++) {
      wrong |= this.#putHex(at + i, value, i * 2);
    }
    if (wrong < 0) {
      throw badField(field, `be ${byteCount * 2} lower-case hex digits`, JSON.stringify(value));
    }
  }

  /** Sets bit `n % 8` of byte `n / 8` for each of `numbers`, which must fit `byteCount` bytes. */
  bits(numbers: readonly number[], byteCount: number): void {
    const at = this.#take(byteCount);
    for (const number of numbers) this.#bytes[at + (number >> 3)]! |= 1 << (number & 7);
  }

  /** UTF-8 of `minBytes`..`maxBytes` (at most 255) bytes, after a byte with their number. */
  text(field: string, value: string, minBytes: number, maxBytes: number): void {
    const { length } = value;
    if (length >= minBytes && length <= maxBytes) {
      const at = this.offset + 1;
      let i = 0;
      for (; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 127) break;
        this.#bytes[at + i] = code;
      }
      if (i === length) {
        this.u8(field, length);
        this.#take(length);
        return;
      }
    }
    this.#utf8(field, value, minBytes, maxBytes);
  }

  #utf8(field: string, value: string, minBytes: number, maxBytes: number): void {
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

  /** The byte of two digits; negative unless both are. */
  #putHex(at: number, digits: string, from: number): number {
    const high = nibble(digits.charCodeAt(from));
    const low = nibble(digits.charCodeAt(from + 1));
    this.#bytes[at] = (high << 4) | low;
    return high | low;
  }

  #take(byteCount: number): number {
    const start = this.offset;
    this.offset += byteCount;
    return start;
  }
}

/** Writes `value`, an integer of which the low 32 bits count, little-endian. */
export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function nibble(code: number): number {
  return code < 128 ? NIBBLES[code]! : -1;
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
