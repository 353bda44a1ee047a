import assert from "node:assert/strict";
import { test } from "node:test";

import { apiTimeoutMs } from "../src/kube/api-timeout.ts";
import { generateSchedule } from "./generate-schedule.ts";
import type { Schedule } from "./schedule.ts";
import { simulate } from "./simulate.ts";

const LOST_AT_MS = 120_000;

/** Every node without storage for six T, under SurviveWithApi. */
function withoutStorage(timeoutMs: number, requestMs: number): Schedule {
  const forMs = 6 * timeoutMs;
  const stormMs = LOST_AT_MS + forMs + timeoutMs;
  const wishes = { promise: "gentle", onStorageLoss: "SurviveWithApi", nodes: 3 } as const;
  return {
    ...generateSchedule(Math.round(timeoutMs + requestMs), { ...wishes, passes: "each-p" }),
    timeoutMs,
    watchdogMs: Math.max(4_000, timeoutMs / 2),
    hardware: "plain",
    stormMs,
    calmMs: 60_000,
    faults: [
      { atMs: LOST_AT_MS, kind: "array-eio", node: 1, forMs, detail: 0 },
      { atMs: LOST_AT_MS, kind: "api-steady", node: 1, forMs, detail: Math.round(requestMs) },
    ],
  };
}

for (const seconds of [3, 6, 10, 20, 30, 120]) {
  const mostMs = apiTimeoutMs(seconds * 1_000);
  test(`T = ${seconds} s, no storage: no node dies while requests take up to ${mostMs} ms`, () => {
    for (const share of [0.05, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1]) {
      const { violation } = simulate(withoutStorage(seconds * 1_000, mostMs * share));
      assert.equal(violation, null, `${Math.round(mostMs * share)} ms: ${violation?.detail ?? ""}`);
    }
  });
}

test("an API that answers later than that keeps no node alive", () => {
  const { violation } = simulate(withoutStorage(6_000, apiTimeoutMs(6_000) + 1));
  assert.equal(violation?.code, "L1");
});
