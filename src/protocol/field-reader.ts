import { ProtocolError } from "./error.ts";
import { hexText } from "./hex-text.ts";

const TWO_32 = 0x1_0000_0000;
const SAFE_HIGH_MAX = 0x1f_ffff;
const ASCII = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads back what FieldWriter wrote. Every method throws a ProtocolError `BAD_FIELD` that names the
 * field for a value that FieldWriter would not have written, or that lies beyond the bytes.
 */
export class FieldReader {
  /** Where the next field starts. */
  offset: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.offset = offset;
  }

  u8(field: string): number {
    return this.#bytes[this.#take(field, 1)]!;
  }

  u16(field: string): number {
    const at = this.#take(field, 2);
    return this.#bytes[at]! | (this.#bytes[at + 1]! << 8);
  }

  u32(field: string): number {
    return u32At(this.#bytes, this.#take(field, 4));
  }

  /** A 64-bit field whose value is a number: 0..2^53-1. */
  u64(field: string): number {
    const at = this.#take(field, 8);
    const high = u32At(this.#bytes, at + 4);
    if (high > SAFE_HIGH_MAX) throw badField(field, `is beyond 2^53-1: ${u64At(this.#bytes, at)}`);
    return high * TWO_32 + u32At(this.#bytes, at);
  }

  u64Big(field: string): bigint {
    return u64At(this.#bytes, this.#take(field, 8));
  }

  uuid(field: string): string {
    return hexText(this.#bytes, this.#take(field, 16), "uuid");
  }

  hex(field: string, byteCount: 8 | 16): string {
    return hexText(this.#bytes, this.#take(field, byteCount), byteCount);
  }

  /** The numbers whose bits are set in `byteCount` bytes, ascending: bit `n % 8` of byte `n / 8`. */
  bits(field: string, byteCount: number): number[] {
    const start = this.#take(field, byteCount);
    const numbers: number[] = [];
    for (let i = 0; i < byteCount; i++) {
      for (let byte = this.#bytes[start + i]!; byte !== 0; byte &= byte - 1) {
        numbers.push(i * 8 + (31 - Math.clz32(byte & -byte)));
      }
    }
    return numbers;
  }

  text(field: string, minBytes: number, maxBytes: number): string {
    const byteCount = this.u8(field);
    if (byteCount < minBytes || byteCount > maxBytes) {
      throw badField(field, `has ${byteCount} bytes, not ${minBytes}..${maxBytes}`);
    }
    const start = this.#take(field, byteCount);
    let text = "";
    for (let i = start; i < start + byteCount; i++) {
      const code = this.#bytes[i]!;
      if (code > 127) return this.#utf8(field, start, byteCount);
      text += ASCII[code]!;
    }
    return text;
  }

  /** @throws ProtocolError `BAD_FIELD` unless the fields end at `end` and zeros follow up to `limit` */
  finish(end: number, limit: number): void {
    if (this.offset !== end)
      throw badField("length", `says ${end}, the fields end at ${this.offset}`);
    if (!isZero(this.#bytes, end, limit)) throw badField("padding", "is not zero");
  }

  #utf8(field: string, start: number, byteCount: number): string {
    try {
      return decoder.decode(this.#bytes.subarray(start, start + byteCount));
    } catch {
      throw badField(field, "is not UTF-8");
    }
  }

  #take(field: string, byteCount: number): number {
    const start = this.offset;
    if (start + byteCount > this.#bytes.length) throw badField(field, "ends beyond the record");
    this.offset = start + byteCount;
    return start;
  }
}

/** @throws ProtocolError `BAD_FIELD` for a value beyond 2^53-1 */
export function toSafeNumber(field: string, value: bigint): number {
  const number = Number(value);
  if (number > Number.MAX_SAFE_INTEGER) throw badField(field, `is beyond 2^53-1: ${value}`);
  return number;
}

/** Whether `bytes[start..end)` are all zero. */
export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  for (; end - i >= 8; i += 8) {
    const any =
      bytes[i]! |
      bytes[i + 1]! |
      bytes[i + 2]! |
      bytes[i + 3]! |
      bytes[i + 4]! |
      bytes[i + 5]! |
      bytes[i + 6]! |
      bytes[i + 7]!;
    if (any !== 0) return false;
  }
  for (; i < end; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** The error for a field that was read and cannot be accepted. */
export function badField(field: string, what: string): ProtocolError {
  return new ProtocolError("BAD_FIELD", `Cannot accept the record as its '${field}' ${what}`);
}

/** Little-endian, 0..2^32-1. */
export function u32At(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}

function u64At(bytes: Uint8Array, at: number): bigint {
  return (BigInt(u32At(bytes, at + 4)) << 32n) | BigInt(u32At(bytes, at));
}
