/**
 * Identifiers of 8 or 16 bytes as text. A reader meets the same few hundred in every pass, so those it
 * met last are kept with their bytes: most of the time nothing is built, and equal ones are one string.
 */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** A power of two well above what 255 slots of one device hold: boot, machine and start each. */
const ENTRIES = 2048;
const WORDS = 5;
const keptWords = new Int32Array(ENTRIES * WORDS);
const keptTexts: string[] = Array.from({ length: ENTRIES }, () => "");

/** 8 or 16 bytes as lower-case hex digits, or 16 as a lower-case UUID with dashes. */
export type HexShape = 8 | 16 | "uuid";

/** The bytes from `start` on, which must all be there, as text of that shape. */
export function hexText(bytes: Uint8Array, start: number, shape: HexShape): string {
  const first = wordAt(bytes, start);
  const second = wordAt(bytes, start + 4);
  const third = shape === 8 ? 0 : wordAt(bytes, start + 8);
  const fourth = shape === 8 ? 0 : wordAt(bytes, start + 12);
  const tag = shape === "uuid" ? 1 : shape;
  const mixed = Math.imul(first ^ third ^ Math.imul(second ^ fourth ^ tag, 0x9e3779b1), 0x85ebca6b);
  const entry = (mixed >>> 21) & (ENTRIES - 1);
  const at = entry * WORDS;
  if (
    keptWords[at] !== first ||
    keptWords[at + 1] !== second ||
    keptWords[at + 2] !== third ||
    keptWords[at + 3] !== fourth ||
    keptWords[at + 4] !== tag
  ) {
    keptWords[at] = first;
    keptWords[at + 1] = second;
    keptWords[at + 2] = third;
    keptWords[at + 3] = fourth;
    keptWords[at + 4] = tag;
    keptTexts[entry] = build(bytes, start, shape);
  }
  return keptTexts[entry]!;
}

function build(bytes: Uint8Array, start: number, shape: HexShape): string {
  const byteCount = shape === "uuid" ? 16 : shape;
  let digits = "";
  for (let i = start; i < start + byteCount; i++) digits += HEX[bytes[i]!]!;
  return shape === "uuid"
    ? `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`
    : digits;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
