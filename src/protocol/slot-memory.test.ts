import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { changesBetween, SlotMemory, withChanges } from "./slot-memory.ts";

const STRIDE = 512;

type Slot = { readonly kind: string };

/** A slot holds its first byte; 0 is empty. */
function decode(bytes: Uint8Array): Slot {
  return bytes[0] === 0
    ? { kind: "empty" }
    : { kind: `first byte ${bytes[0]}, last ${bytes[511]}` };
}

function region(slots: Readonly<Record<number, number>>, last = 0): Uint8Array {
  const bytes = new Uint8Array(256 * STRIDE);
  for (const [nodeID, value] of Object.entries(slots)) {
    bytes[Number(nodeID) * STRIDE] = value;
    bytes[Number(nodeID) * STRIDE + STRIDE - 1] = last;
  }
  return bytes;
}

test("a slot whose bytes did not change is not decoded again, and one that did is", () => {
  const decoded: number[] = [];
  const memory = new SlotMemory((bytes: Uint8Array, nodeID: number) => {
    decoded.push(nodeID);
    return decode(bytes);
  });
  const first = memory.read(region({ 1: 7, 255: 9 }), STRIDE);
  assert.equal(decoded.length, 255);
  decoded.length = 0;
  const second = memory.read(region({ 1: 7, 255: 9 }, 1), STRIDE);
  assert.deepEqual(decoded, [1, 255], "a change in the last byte of a slot counts");
  decoded.length = 0;
  const third = memory.read(region({ 1: 7, 2: 3, 255: 9 }, 1), STRIDE);
  assert.deepEqual(decoded, [2]);
  assert.equal(third.get(255), second.get(255));
  assert.notEqual(first.get(255), second.get(255));
  assert.deepEqual([...first.keys()], [1, 255], "an earlier reading stays as it was");
});

test("with another distance between slots everything is decoded again", () => {
  const memory = new SlotMemory(decode);
  const bytes = new Uint8Array(256 * 1024);
  bytes[1024] = 5;
  assert.deepEqual([...memory.read(bytes.subarray(0, 256 * STRIDE), STRIDE).keys()], [2]);
  assert.deepEqual([...memory.read(bytes, 1024).keys()], [1]);
});

test("changes applied to what was shown before are what is shown now, whatever was read", () => {
  const slots = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.nat(3));
  fc.assert(
    fc.property(fc.array(slots, { maxLength: 6 }), (readings) => {
      const memory = new SlotMemory(decode);
      let shown: ReadonlyMap<number, Slot> = new Map();
      let told: ReadonlyMap<number, Slot> = new Map();
      for (const reading of readings) {
        const now = memory.read(region(reading), STRIDE);
        told = withChanges(told, structuredClone(changesBetween(shown, now)));
        shown = now;
        const sorted = (map: ReadonlyMap<number, Slot>) => [...map].toSorted((a, b) => a[0] - b[0]);
        assert.deepEqual(sorted(told), sorted(now));
        assert.deepEqual(sorted(now), sorted(new SlotMemory(decode).read(region(reading), STRIDE)));
      }
    }),
    { seed: 1 },
  );
});
