import { makeCrcTables, updateCrc } from "./crc.ts";

const TABLES = makeCrcTables(0x82f63b78);

/** Runs of zeros shorter than this are cheaper to feed through than to jump over. */
const JUMP_MIN_BYTES = 64;
const JUMPS = makeJumps();

/**
 * CRC-32C (Castagnoli, RFC 3720) of `data[0..length)`, 0..2^32-1. `length` is at most data's.
 *
 * A record is mostly padding: the zeros before its last four bytes are jumped over.
 */
export function crc32c(data: Uint8Array, length: number): number {
  const tail = length - 4;
  const zerosFrom = endOfContent(data, tail);
  if (tail - zerosFrom < JUMP_MIN_BYTES) {
    return ~updateCrc(TABLES, -1, data, 0, length) >>> 0;
  }
  const head = updateCrc(TABLES, -1, data, 0, zerosFrom);
  return ~updateCrc(TABLES, jumpZeros(head, tail - zerosFrom), data, tail, length) >>> 0;
}

/** Where the zeros before `end` begin, at most seven bytes late. */
function endOfContent(data: Uint8Array, end: number): number {
  let i = end;
  while (
    i >= 8 &&
    (data[i - 1]! |
      data[i - 2]! |
      data[i - 3]! |
      data[i - 4]! |
      data[i - 5]! |
      data[i - 6]! |
      data[i - 7]! |
      data[i - 8]!) ===
      0
  ) {
    i -= 8;
  }
  return i;
}

/** The register after `byteCount` more zero bytes: the sum of what each of its four bytes becomes. */
function jumpZeros(register: number, byteCount: number): number {
  let crc = register;
  for (let power = 0; byteCount >> power > 0; power++) {
    if (((byteCount >> power) & 1) === 0) continue;
    const at = power << 10;
    crc =
      JUMPS[at | (crc & 0xff)]! ^
      JUMPS[at | 0x100 | ((crc >>> 8) & 0xff)]! ^
      JUMPS[at | 0x200 | ((crc >>> 16) & 0xff)]! ^
      JUMPS[at | 0x300 | (crc >>> 24)]!;
  }
  return crc;
}

/** Entry `power << 10 | place << 8 | byte`: what that byte at that place becomes after 2^power zeros. */
function makeJumps(): Int32Array {
  const powers = 12;
  const jumps = new Int32Array(powers << 10);
  for (let entry = 0; entry < 1 << 10; entry++) {
    const register = (entry & 0xff) << ((entry >> 8) * 8);
    jumps[entry] = (register >>> 8) ^ TABLES[register & 0xff]!;
  }
  for (let at = 1 << 10; at < jumps.length; at++) {
    const half = jumps[at - (1 << 10)]!;
    const from = ((at >> 10) - 1) << 10;
    jumps[at] =
      jumps[from | (half & 0xff)]! ^
      jumps[from | 0x100 | ((half >>> 8) & 0xff)]! ^
      jumps[from | 0x200 | ((half >>> 16) & 0xff)]! ^
      jumps[from | 0x300 | (half >>> 24)]!;
  }
  return jumps;
}
