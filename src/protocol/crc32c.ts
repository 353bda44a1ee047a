import { makeCrcTables, crcOf } from "./crc.ts";

const TABLES = makeCrcTables(0x82f63b78);

/** CRC-32C (Castagnoli, RFC 3720) of `data[0..length)`, 0..2^32-1. `length` is at most data's. */
export function crc32c(data: Uint8Array, length: number): number {
  return crcOf(TABLES, data, length) >>> 0;
}
