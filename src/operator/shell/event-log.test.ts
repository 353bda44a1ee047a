import assert from "node:assert/strict";
import { test } from "node:test";

import type { EventAction } from "../driver/operator-driver.ts";
import { lineOfEvent } from "./event-log.ts";

test("an event is a line with the key of what it is about", () => {
  const about = { apiVersion: "v1", kind: "SBDRemediation", namespace: "ns", name: "a", uid: "u" };
  const event: EventAction = {
    type: "event",
    about,
    eventType: "Warning",
    reason: "FencingFailed",
    message: "it cannot be fenced",
  };
  assert.deepEqual(lineOfEvent(event), {
    level: "warn",
    message: "it cannot be fenced",
    fields: { request: "ns/a", reason: "FencingFailed" },
  });
  const config = { apiVersion: "v1", kind: "SBDConfig", name: "c", uid: "u" };
  const reconciled: EventAction = {
    ...event,
    about: config,
    eventType: "Normal",
    reason: "SBDConfigReconciled",
  };
  assert.deepEqual(lineOfEvent(reconciled).fields, { config: "c", reason: "SBDConfigReconciled" });
  assert.equal(lineOfEvent(reconciled).level, "info");
});
