import assert from "node:assert/strict";
import { test } from "node:test";

import { encodeHeartbeatRecord } from "../protocol/heartbeat-record.ts";
import { deriveTiming } from "../timing/contract.ts";
import { initialAgentState } from "./agent-state.ts";
import { newStart, nextHeartbeat } from "./heartbeat.ts";
import { agentConfig } from "./scenarios/agent-config-for-tests.ts";

test("an agent whose every write fails can be written after 65536 of them, and repeats no heartbeat", () => {
  const timing = deriveTiming({ timeoutMs: 6_000, watchdogMs: 4_000 });
  const plain = { leaving: false, fenced: false, acknowledgedEpoch: 0 };
  let state = initialAgentState(agentConfig({}));
  const first = nextHeartbeat(state, timing, plain, 0);
  for (let failed = 0; failed < 65_536; failed++) {
    const { sequence } = nextHeartbeat(state, timing, plain, 0);
    state = newStart({ ...state, sequence });
  }
  const last = nextHeartbeat(state, timing, plain, 0);
  assert.equal(last.startID, first.startID);
  assert.equal(last.sequence, 65_537);
  assert.equal(encodeHeartbeatRecord(last, 512).length, 512);
});
