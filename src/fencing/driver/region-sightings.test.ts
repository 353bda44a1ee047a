import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_SIGHTINGS } from "../../observation/sightings.ts";
import { sightRegions } from "./region-sightings.ts";

test("what a fencer has seen is dated on the clock that suspend stops", () => {
  const seen = sightRegions(NO_SIGHTINGS, {
    heartbeats: new Map(),
    fences: new Map([[1, { kind: "empty" }]]),
    heartbeatsTimes: { startedLivedMs: 901, endedLivedMs: 902, startedRawMs: 1, endedRawMs: 2 },
    fencesTimes: { startedLivedMs: 902, endedLivedMs: 903, startedRawMs: 2, endedRawMs: 3 },
  });
  assert.equal(seen.heartbeatsRead?.startedMs, 1);
  assert.equal(seen.fencesRead?.startedMs, 2);
});
