import { makeCrcTables, crcOf } from "./crc.ts";

const TABLES = makeCrcTables(0xedb88320);

/** CRC-32 (IEEE 802.3) of `data`, 0..2^32-1: what Go's `crc32.ChecksumIEEE` and zlib compute. */
export function calculateChecksum(data: Uint8Array): number {
  return crcOf(TABLES, data, data.length) >>> 0;
}
