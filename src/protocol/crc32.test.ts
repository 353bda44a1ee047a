import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import * as fc from "fast-check";
import { calculateChecksum } from "./crc32.ts";

test("CRC-32 of '123456789' is the check value of the catalogues", () => {
  assert.equal(calculateChecksum(new TextEncoder().encode("123456789")), 0xcbf43926);
});

test("CRC-32 agrees with zlib for every length up to 100 and any bytes", () => {
  for (let length = 0; length <= 100; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 151 + length) & 0xff);
    assert.equal(calculateChecksum(bytes), crc32(bytes), `length ${length}`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600, size: "max" }), (bytes) => {
      assert.equal(calculateChecksum(bytes), crc32(bytes));
    }),
  );
});
