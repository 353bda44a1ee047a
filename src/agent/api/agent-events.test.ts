import assert from "node:assert/strict";
import { test } from "node:test";

import type { AgentStatus } from "../driver/api-message.ts";
import { eventsBetween } from "./agent-events.ts";
import { armedAgent } from "./testing/agent-status-for-tests.ts";

type Changes = Partial<AgentStatus>;

function between(before: Changes | null, now: Changes): string[] {
  const first = before === null ? null : armedAgent(before);
  return eventsBetween(first, armedAgent(now)).map(({ type, reason }) => `${type} ${reason}`);
}

test("a healthy agent has nothing to say, a restarted API process repeats nothing", () => {
  assert.deepEqual(between(null, {}), []);
  assert.deepEqual(between({}, {}), []);
});

test("storage trouble is told when it comes and when it goes", () => {
  assert.deepEqual(between({}, { trouble: "EIO" }), ["Warning StorageTrouble"]);
  assert.deepEqual(between({ trouble: "EIO" }, { trouble: "a hang" }), []);
  assert.deepEqual(between({ trouble: "EIO" }, {}), ["Normal StorageRecovered"]);
  assert.deepEqual(between({}, { trouble: "EIO", life: "leaving" }), []);
});

test("a latched node is told as soon as it is", () => {
  assert.deepEqual(between({}, { life: "latched" }), ["Warning SelfFenceStarted"]);
  assert.deepEqual(between({ life: "latched" }, { life: "latched" }), []);
});

test("a slot conflict is told", () => {
  const conflict = { life: "conflict", trouble: "worker-9 beats here" } as const;
  assert.deepEqual(between({}, conflict), ["Warning SlotConflict"]);
});

const refused = (refusal: string): Changes => ({
  watchdog: "refused",
  watchdogDevice: { ...armedAgent().watchdogDevice, refusal },
});

test("why a watchdog is not armed is told once a reason", () => {
  assert.deepEqual(between(null, refused("no driver")), ["Warning NotArmed"]);
  assert.deepEqual(between(refused("no driver"), refused("no driver")), []);
  assert.deepEqual(between(refused("no driver"), refused("another")), ["Warning NotArmed"]);
  assert.deepEqual(between({ watchdog: "opening" }, {}), ["Normal Armed"]);
  assert.deepEqual(between(null, { watchdog: "closed" }), []);
});
