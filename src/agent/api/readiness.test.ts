import assert from "node:assert/strict";
import { test } from "node:test";

import { whyNotReady } from "./readiness.ts";
import { armedAgent } from "./testing/agent-status-for-tests.ts";

test("an armed agent is ready, also while a pass goes wrong", () => {
  assert.equal(whyNotReady(armedAgent()), null);
  assert.equal(whyNotReady(armedAgent({ trouble: "EIO", lastGoodPassAgeMs: 4_000 })), null);
});

test("an agent that does not arm is not ready, and says why", () => {
  const { watchdogDevice } = armedAgent();
  const refusal = "/dev/watchdog is absent: load the driver of this machine's watchdog";
  assert.equal(
    whyNotReady(
      armedAgent({ watchdog: "refused", watchdogDevice: { ...watchdogDevice, refusal } }),
    ),
    refusal,
  );
  assert.equal(whyNotReady(armedAgent({ watchdog: "closed", trouble: "EIO" })), "EIO");
  for (const watchdog of ["closed", "opening", "unarmed", "released"] as const) {
    assert.match(whyNotReady(armedAgent({ watchdog })) ?? "", /has not armed/);
  }
});

test("an agent that only detects is ready with its first good pass", () => {
  const detecting = { detectOnly: true, watchdog: "closed" } as const;
  assert.equal(whyNotReady(armedAgent(detecting)), null);
  assert.match(
    whyNotReady(armedAgent({ ...detecting, lastGoodPassAgeMs: null })) ?? "",
    /has not armed/,
  );
});
