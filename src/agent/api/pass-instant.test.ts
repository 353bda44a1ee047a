import assert from "node:assert/strict";
import { test } from "node:test";

import { datePass, type PassInstant } from "./pass-instant.ts";

const WALL_MS = Date.parse("2026-01-01T00:00:00Z");

/** Told once a second for an hour, by clocks that drift apart. */
function instants(rate: number, ageAt: (ms: number) => number): Set<string | null> {
  const seen = new Set<string | null>();
  let known: PassInstant | null = null;
  for (let ms = 0; ms <= 3_600_000; ms += 1_000) {
    known = datePass(known, ageAt(ms), { ms: Math.round(ms * rate), wallMs: WALL_MS + ms });
    seen.add(known.instant);
  }
  return seen;
}

test("an agent without a good pass shows the instant of its last one, however its clocks drift", () => {
  for (const rate of [1, 1.0001, 0.9999, 1.09, 0.91]) {
    const seen = instants(rate, (ms) => ms * 1.000_1 + 12.3);
    assert.deepEqual(seen, new Set(["2025-12-31T23:59:59.987Z"]), String(rate));
  }
});

test("each good pass is a new instant", () => {
  assert.equal(instants(1, (ms) => 3 + (ms % 7)).size, 3_601);
  const before = datePass(null, 100, { ms: 0, wallMs: WALL_MS });
  const next = datePass(before, 500, { ms: 1_000, wallMs: WALL_MS + 1_000 });
  assert.deepEqual(
    [before.instant, next.instant],
    ["2025-12-31T23:59:59.900Z", "2026-01-01T00:00:00.500Z"],
  );
});

test("without a pass there is no instant, and the first one is dated", () => {
  const none = datePass(null, null, { ms: 0, wallMs: WALL_MS });
  assert.equal(none.instant, null);
  assert.equal(
    datePass(none, 0, { ms: 10, wallMs: WALL_MS + 10 }).instant,
    "2026-01-01T00:00:00.010Z",
  );
});
