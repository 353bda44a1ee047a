import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { crc32c } from "./crc32c.ts";

/** One bit at a time, as RFC 3720 describes it. */
function crc32cBitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
  }
  return ~crc >>> 0;
}

test("CRC-32C gives the values of RFC 3720, appendix B.4", () => {
  assert.equal(crc32c(new Uint8Array(32), 32), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff), 32), 0x62a8ab43);
  assert.equal(
    crc32c(
      Uint8Array.from({ length: 32 }, (_, i) => i),
      32,
    ),
    0x46dd794e,
  );
  assert.equal(crc32c(new TextEncoder().encode("123456789"), 9), 0xe3069283);
});

test("CRC-32C agrees with the bitwise definition for any bytes, and stops at the given length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600, size: "max" }), fc.nat(600), (bytes, cut) => {
      const length = Math.min(cut, bytes.length);
      assert.equal(crc32c(bytes, length), crc32cBitwise(bytes.subarray(0, length)));
    }),
  );
});
