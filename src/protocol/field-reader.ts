import { ProtocolError } from "./error.ts";

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads back what FieldWriter wrote. Every method throws a ProtocolError `BAD_FIELD` that names the
 * field for a value that FieldWriter would not have written, or that lies beyond the bytes.
 */
export class FieldReader {
  /** Where the next field starts. */
  offset: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.offset = offset;
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#take(field, 1));
  }

  u16(field: string): number {
    return this.#view.getUint16(this.#take(field, 2), true);
  }

  u32(field: string): number {
    return this.#view.getUint32(this.#take(field, 4), true);
  }

  /** A 64-bit field whose value is a number: 0..2^53-1. */
  u64(field: string): number {
    return toSafeNumber(field, this.u64Big(field));
  }

  u64Big(field: string): bigint {
    return this.#view.getBigUint64(this.#take(field, 8), true);
  }

  uuid(field: string): string {
    const digits = this.hex(field, 16);
    return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`;
  }

  hex(field: string, byteCount: number): string {
    const start = this.#take(field, byteCount);
    let digits = "";
    for (let i = start; i < start + byteCount; i++) digits += HEX[this.#bytes[i]!]!;
    return digits;
  }

  text(field: string, minBytes: number, maxBytes: number): string {
    const byteCount = this.u8(field);
    if (byteCount < minBytes || byteCount > maxBytes) {
      throw badField(field, `has ${byteCount} bytes, not ${minBytes}..${maxBytes}`);
    }
    const start = this.#take(field, byteCount);
    try {
      return decoder.decode(this.#bytes.subarray(start, start + byteCount));
    } catch {
      throw badField(field, "is not UTF-8");
    }
  }

  /** @throws ProtocolError `BAD_FIELD` unless the fields end at `end` and zeros follow up to `limit` */
  finish(end: number, limit: number): void {
    if (this.offset !== end)
      throw badField("length", `says ${end}, the fields end at ${this.offset}`);
    if (!isZero(this.#bytes, end, limit)) throw badField("padding", "is not zero");
  }

  #take(field: string, byteCount: number): number {
    const start = this.offset;
    if (start + byteCount > this.#bytes.length) throw badField(field, "ends beyond the record");
    this.offset += byteCount;
    return start;
  }
}

/** @throws ProtocolError `BAD_FIELD` for a value beyond 2^53-1 */
export function toSafeNumber(field: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw badField(field, `is beyond 2^53-1: ${value}`);
  return Number(value);
}

/** Whether `bytes[start..end)` are all zero. */
export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** The error for a field that was read and cannot be accepted. */
export function badField(field: string, what: string): ProtocolError {
  return new ProtocolError("BAD_FIELD", `Cannot accept the record as its '${field}' ${what}`);
}
