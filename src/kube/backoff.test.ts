import assert from "node:assert/strict";
import { test } from "node:test";

import { backoffMs } from "./backoff.ts";

const BACKOFF = { minMs: 100, maxMs: 1_000 };

test("each failure doubles the wait, up to the bound, for ever", () => {
  const waits = [1, 2, 3, 4, 5, 1_000].map((failures) => backoffMs(BACKOFF, failures, 1));
  assert.deepEqual(waits, [100, 200, 400, 800, 1_000, 1_000]);
});

test("waits are scattered over their upper half", () => {
  assert.equal(backoffMs(BACKOFF, 2, 0), 100);
  assert.equal(backoffMs(BACKOFF, 2, 0.5), 150);
});
