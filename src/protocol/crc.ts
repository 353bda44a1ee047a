const TABLE_COUNT = 16;

/**
 * Tables for {@link crcOf}: sixteen of 256 entries, for a CRC of 32 bits computed on reflected
 * bits. Table k advances a byte past k further bytes, which lets sixteen bytes be folded at once.
 *
 * @param polynomial the reflected polynomial, such as 0xedb88320 for CRC-32
 */
export function makeCrcTables(polynomial: number): Int32Array {
  const tables = new Int32Array(TABLE_COUNT * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ polynomial;
    tables[byte] = crc;
  }
  for (let index = 256; index < tables.length; index++) {
    const crc = tables[index - 256]!;
    tables[index] = (crc >>> 8) ^ tables[crc & 0xff]!;
  }
  return tables;
}

/**
 * The CRC of `data[0..length)` as a signed 32-bit integer, which unlike an unsigned one never costs
 * an allocation. The register is preset to ones and inverted at the end, as CRC-32 and CRC-32C have
 * it. `length` is at most data's.
 */
export function crcOf(tables: Int32Array, data: Uint8Array, length: number): number {
  return ~updateCrc(tables, -1, data, 0, length);
}

/** The register after `data[start..end)`; neither preset nor inverted. `end` is at most data's length. */
export function updateCrc(
  tables: Int32Array,
  register: number,
  data: Uint8Array,
  start: number,
  end: number,
): number {
  let crc = register;
  let i = start;
  for (; end - i >= 16; i += 16) {
    const first = crc ^ wordAt(data, i);
    crc =
      tables[0xf00 | (first & 0xff)]! ^
      tables[0xe00 | ((first >>> 8) & 0xff)]! ^
      tables[0xd00 | ((first >>> 16) & 0xff)]! ^
      tables[0xc00 | (first >>> 24)]! ^
      tables[0xb00 | data[i + 4]!]! ^
      tables[0xa00 | data[i + 5]!]! ^
      tables[0x900 | data[i + 6]!]! ^
      tables[0x800 | data[i + 7]!]! ^
      tables[0x700 | data[i + 8]!]! ^
      tables[0x600 | data[i + 9]!]! ^
      tables[0x500 | data[i + 10]!]! ^
      tables[0x400 | data[i + 11]!]! ^
      tables[0x300 | data[i + 12]!]! ^
      tables[0x200 | data[i + 13]!]! ^
      tables[0x100 | data[i + 14]!]! ^
      tables[data[i + 15]!]!;
  }
  if (end - i < 4) {
    for (; i < end; i++) crc = (crc >>> 8) ^ tables[data[i]! ^ (crc & 0xff)]!;
    return crc;
  }
  // The last 4..15 bytes also at once: a byte's table follows from how many bytes come after it.
  const first = crc ^ wordAt(data, i);
  let table = (end - i - 1) << 8;
  crc =
    tables[table | (first & 0xff)]! ^
    tables[(table - 0x100) | ((first >>> 8) & 0xff)]! ^
    tables[(table - 0x200) | ((first >>> 16) & 0xff)]! ^
    tables[(table - 0x300) | (first >>> 24)]!;
  table -= 0x400;
  for (i += 4; i < end; i++) {
    crc ^= tables[table | data[i]!]!;
    table -= 0x100;
  }
  return crc;
}

function wordAt(data: Uint8Array, at: number): number {
  return data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
}
