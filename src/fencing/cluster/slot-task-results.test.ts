import assert from "node:assert/strict";
import { test } from "node:test";

import { textAt } from "../../kube/kube-object.ts";
import { openSlotTasks, resultsWith } from "./slot-task-results.ts";
import { sbdNode } from "../../agent/api/testing/sbd-node-for-tests.ts";

const TIME = "2026-01-01T00:00:00Z";

function task(id: string, agent: string) {
  return { slotTask: { id, kind: "Clear", agent, requestedTime: TIME } };
}

function reported(state: string) {
  const slotTaskResults = [{ id: "t-1", nodeID: 1, state, time: TIME }];
  return sbdNode("worker-2", 2, { status: { slotTaskResults } });
}

test("a task is this agent's until its own SBDNode says that it is done", () => {
  const own = sbdNode("worker-2", 2);
  const target = sbdNode("worker-1", 1, { status: task("t-1", "worker-2") });
  const other = sbdNode("worker-3", 3, { status: task("t-2", "worker-4") });
  const wanted = [{ id: "t-1", kind: "Clear", nodeID: 1, nodeName: "worker-1" }];
  assert.deepEqual(openSlotTasks([own, target, other], "worker-2", "config-2"), wanted);
  assert.deepEqual(openSlotTasks([target, other], "worker-2", null), []);
  const tasksAfter = (state: string) =>
    openSlotTasks([reported(state), target], "worker-2", "config-2");
  assert.deepEqual(tasksAfter("Done"), []);
  assert.deepEqual(tasksAfter("Refused"), wanted);
  assert.deepEqual(tasksAfter("Failed"), wanted);
});

const done = (id: string) =>
  ({ type: "slot-task-done", id, nodeID: 1, state: "Done", reason: "" }) as const;

test("results replace their like, and the oldest go", () => {
  let slotTaskResults: readonly unknown[] = [];
  const add = (id: string): void => {
    const own = { metadata: {}, status: { slotTaskResults } };
    slotTaskResults = resultsWith(own, done(id), Date.parse(TIME));
  };
  for (let n = 0; n < 20; n += 1) add(`t-${n}`);
  add("t-10");
  assert.equal(slotTaskResults.length, 16);
  assert.equal(textAt(slotTaskResults.at(-1), "id"), "t-10");
  assert.equal(textAt(slotTaskResults[0], "id"), "t-4");
});
