import assert from "node:assert/strict";
import { test } from "node:test";

import type { FenceSlot } from "../protocol/fence-record.ts";
import { noteFenceSlot, type UnreadableFenceSlot } from "./own-fence-slot.ts";

const GARBAGE: FenceSlot = { kind: "unreadable", code: "BAD_MAGIC", detail: "garbage" };
const EMPTY: FenceSlot = { kind: "empty" };

function after(...slots: readonly FenceSlot[]): UnreadableFenceSlot | null {
  return slots.reduce<UnreadableFenceSlot | null>(
    (known, slot, pass) => noteFenceSlot(known, slot, BigInt(pass)),
    null,
  );
}

test("garbage lasts from its second reading on, and is dated by its first", () => {
  assert.deepEqual(after(EMPTY, GARBAGE), { sinceWallNs: 1n, lasting: false });
  assert.deepEqual(after(EMPTY, GARBAGE, GARBAGE), { sinceWallNs: 1n, lasting: true });
  assert.deepEqual(after(EMPTY, GARBAGE, GARBAGE, GARBAGE), { sinceWallNs: 1n, lasting: true });
});

test("a slot that can be read again is forgotten, and garbage after it is another occurrence", () => {
  assert.equal(after(GARBAGE, GARBAGE, EMPTY), null);
  assert.deepEqual(after(GARBAGE, GARBAGE, EMPTY, GARBAGE), { sinceWallNs: 3n, lasting: false });
});
