import assert from "node:assert/strict";
import { test } from "node:test";

import { parseSBDNode } from "../api/sbd-node.ts";
import { Cluster, QUIET_SILENCE_MS } from "./scenarios/cluster.ts";
import { wallAt } from "./scenarios/leader.ts";

const SINCE = "2026-01-01T00:00:05.250Z";

type Task = { readonly id: string; readonly kind: string; readonly agent: string };

function say(cluster: Cluster, nodeName: string, since: string | null): void {
  cluster.agentReports(`default-${nodeName.at(-1) ?? ""}`, { fenceSlotUnreadableSince: since });
  cluster.settle();
}

function task(cluster: Cluster, nodeName: string): Task | null {
  const { slotTask } = (cluster.slotOf(nodeName)?.status ?? {}) as { slotTask?: Task };
  return slotTask ?? null;
}

function confirm(cluster: Cluster, witness: string, id: string): void {
  const time = wallAt(cluster.nowMs);
  cluster.agentReports(witness, { slotTaskResults: [{ id, nodeID: 1, state: "Done", time }] });
  cluster.settle();
}

test("a slot that its agent cannot read is repaired by another agent, once", () => {
  const cluster = new Cluster();
  say(cluster, "worker-1", SINCE);
  const given = task(cluster, "worker-1");
  assert.deepEqual([given?.kind, given?.agent], ["Repair", "worker-2"]);
  assert.ok(parseSBDNode(cluster.slotOf("worker-1")).ok);
  cluster.takeTrace();
  confirm(cluster, "default-2", given?.id ?? "");
  cluster.pass(5_000);
  assert.deepEqual(
    cluster.takeTrace().filter((line) => line.startsWith("task")),
    [],
  );
});

test("each occurrence is a task of its own, and every leader gives it the same ID", () => {
  const cluster = new Cluster();
  say(cluster, "worker-1", SINCE);
  const first = task(cluster, "worker-1")?.id ?? "";
  cluster.settle(cluster.newLeader());
  assert.equal(task(cluster, "worker-1")?.id, first);
  confirm(cluster, "default-2", first);
  say(cluster, "worker-1", null);
  say(cluster, "worker-1", "2026-01-01T00:01:00Z");
  const second = task(cluster, "worker-1")?.id ?? "";
  assert.notEqual(second, first);
});

test("nothing is repaired while any request names the node", () => {
  const cluster = new Cluster();
  cluster.createRemediation("r", { annotation: "worker-1" });
  cluster.settle();
  cluster.createRemediation("other", { nodeName: "worker-2" });
  say(cluster, "worker-1", SINCE);
  cluster.api.delete("SBDRemediation", "r");
  assert.notEqual(cluster.api.get("SBDRemediation", "r"), null, "held by its finalizer");
  cluster.round();
  assert.notEqual(task(cluster, "worker-1")?.kind, "Repair");
  cluster.pass(60_000);
  const clear = task(cluster, "worker-1");
  assert.equal(clear?.kind, "Clear");
  confirm(cluster, "default-2", clear.id);
  assert.equal(cluster.api.get("SBDRemediation", "r"), null);
  assert.equal(task(cluster, "worker-1")?.kind, "Repair");
});

test("neither by itself, nor by a silent agent; by another one when its agent falls silent", () => {
  const cluster = new Cluster();
  cluster.silence("worker-1");
  cluster.silence("worker-2");
  cluster.silence("worker-3");
  cluster.pass(QUIET_SILENCE_MS);
  say(cluster, "worker-1", SINCE);
  assert.equal(task(cluster, "worker-1"), null);
  cluster.resume("worker-1");
  cluster.pass(2_000);
  assert.equal(task(cluster, "worker-1"), null);
  cluster.resume("worker-2");
  cluster.pass(2_000);
  const first = task(cluster, "worker-1");
  assert.equal(first?.agent, "worker-2");
  cluster.silence("worker-2");
  cluster.resume("worker-3");
  cluster.pass(QUIET_SILENCE_MS);
  const second = task(cluster, "worker-1");
  assert.deepEqual([second?.id, second?.agent], [first?.id, "worker-3"]);
});

test("garbage in every slot: agents without good passes repair each other's", () => {
  const cluster = new Cluster();
  for (const name of ["worker-1", "worker-2", "worker-3"]) {
    cluster.silence(name);
  }
  cluster.pass(QUIET_SILENCE_MS);
  for (const name of ["worker-1", "worker-2", "worker-3"]) {
    cluster.agentReports(`default-${name.at(-1) ?? ""}`, { fenceSlotUnreadableSince: SINCE });
  }
  cluster.settle();
  const agents = ["worker-1", "worker-2", "worker-3"].map((name) => task(cluster, name)?.agent);
  assert.deepEqual(agents, ["worker-2", "worker-3", "worker-1"]);
  // worker-3's agent is gone for good, and with it the repair of slot 2.
  say(cluster, "worker-1", null);
  cluster.resume("worker-1");
  cluster.pass(2_000);
  assert.equal(task(cluster, "worker-2")?.agent, "worker-1");
});

test("the slot of an SBDNode that is going away is left to its clearing", () => {
  const cluster = new Cluster();
  cluster.api.delete("Node", "worker-1");
  cluster.silence("worker-1");
  cluster.settle();
  say(cluster, "worker-1", SINCE);
  cluster.pass(5_000);
  assert.equal(task(cluster, "worker-1"), null);
});
