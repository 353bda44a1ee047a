import assert from "node:assert/strict";
import { test } from "node:test";

import { agentConfig } from "./scenarios/agent-config-for-tests.ts";
import { initialAgentState, type AgentState } from "./agent-state.ts";
import { beginPass, lookWanted } from "./pass-schedule.ts";

/** Its last pass began at 1 s and has ended. */
const BETWEEN_PASSES: AgentState = {
  ...initialAgentState(agentConfig({})),
  passes: 1,
  lastPassStartedMs: 1_000,
};

test("a pass that is wanted begins at once", () => {
  const { state, effects } = lookWanted(BETWEEN_PASSES, 1_010);
  assert.deepEqual(effects, [{ type: "read-pass", pass: 2 }]);
  assert.equal(state.lastPassStartedMs, 1_010);
});

test("one that is wanted while another is under way begins when that has ended, and no third one", () => {
  const reading: AgentState = {
    ...BETWEEN_PASSES,
    pass: { kind: "reading", pass: 1, startedMs: 1_000 },
  };
  const wanted = lookWanted(reading, 1_010);
  assert.deepEqual(wanted.effects, []);
  const begun = beginPass({ ...wanted.state, pass: { kind: "idle" } }, 1_050);
  assert.deepEqual(begun.effects, [{ type: "read-pass", pass: 2 }]);
  assert.deepEqual(beginPass({ ...begun.state, pass: { kind: "idle" } }, 1_100).effects, []);
});

test("an agent that is about to end looks no more than it must", () => {
  const latched: AgentState = { ...BETWEEN_PASSES, life: { kind: "exited", code: 0 } };
  assert.deepEqual(lookWanted(latched, 1_010), { state: latched, effects: [] });
});
