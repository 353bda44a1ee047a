import assert from "node:assert/strict";
import { test } from "node:test";

import type { AgentStatus } from "../driver/api-message.ts";
import { createAgentMetrics, isHealthy } from "./agent-metrics.ts";
import { armedAgent } from "./testing/agent-status-for-tests.ts";

async function numbers(changes: Partial<AgentStatus>, ageMs = 0): Promise<string> {
  const metrics = createAgentMetrics(() => 10_000 + ageMs);
  metrics.update(armedAgent(changes), 10_000);
  return await metrics.registry.metrics();
}

test("the blueprint's numbers have their names and labels", async () => {
  const text = await numbers({ ioErrors: 3, pets: 42, selfFenced: true });
  for (const line of [
    "sbd_agent_status_healthy 1",
    "sbd_device_io_errors_total 3",
    "sbd_watchdog_pets_total 42",
    "sbd_self_fenced_total 1",
    'sbd_peer_status{node_id="2",node_name="worker-2",status="alive"} 1',
    'sbd_peer_status{node_id="3",node_name="worker-3",status="unhealthy"} 0',
  ]) {
    assert.ok(text.includes(`${line}\n`), `${line} in\n${text}`);
  }
});

test("numbers are read again and again without growing", async () => {
  const metrics = createAgentMetrics(() => 0);
  metrics.update(armedAgent({ pets: 42 }), 0);
  assert.equal(await metrics.registry.metrics(), await metrics.registry.metrics());
});

test("the age of the last good pass goes on while the core process says nothing", async () => {
  assert.match(
    await numbers({ lastGoodPassAgeMs: 100 }, 2_000),
    /^sbd_last_good_pass_age_seconds 2.1$/m,
  );
});

test("what is not known yet is not shown as 0", async () => {
  const text = await numbers({ passLatencyMs: null, lastGoodPassAgeMs: null, timing: null });
  assert.doesNotMatch(text, /^sbd_pass_latency_seconds /m);
  assert.doesNotMatch(text, /^sbd_last_good_pass_age_seconds /m);
  assert.match(text, /^sbd_agent_status_healthy 0$/m);
});

test("an agent is healthy while armed, with good passes, and heard of", () => {
  assert.ok(isHealthy(armedAgent(), 0));
  assert.ok(!isHealthy(armedAgent(), 5_000));
  assert.ok(!isHealthy(armedAgent({ watchdog: "unarmed" }), 0));
  assert.ok(!isHealthy(armedAgent({ trouble: "EIO" }), 0));
  assert.ok(!isHealthy(armedAgent({ life: "latched" }), 0));
  assert.ok(!isHealthy(armedAgent({ lastGoodPassAgeMs: 6_000 }), 0));
});

test("without word from the core process nothing is healthy", async () => {
  const metrics = createAgentMetrics(() => 0);
  assert.match(await metrics.registry.metrics(), /^sbd_agent_status_healthy 0$/m);
});
