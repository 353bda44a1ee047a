import assert from "node:assert/strict";
import { test } from "node:test";

import { wallAt } from "./scenarios/leader.ts";
import { Cluster } from "./scenarios/cluster.ts";

function conditionOf(
  cluster: Cluster,
  nodeName: string,
): { status: string; reason?: string; lastTransitionTime?: string } | null {
  const found = cluster
    .node(nodeName)
    .status?.conditions?.find(({ type }) => type === "SBDStorageUnhealthy");
  return found ?? null;
}

function misses(cluster: Cluster, witness: string, nodeIDs: readonly number[]): void {
  cluster.agentReports(witness, {
    unhealthyPeers: nodeIDs.map((nodeID) => ({ nodeID, since: wallAt(cluster.nowMs) })),
  });
}

test("an agent with good passes: False", () => {
  const cluster = new Cluster();
  assert.equal(conditionOf(cluster, "worker-1")?.status, "False");
  assert.equal(conditionOf(cluster, "worker-1")?.reason, "HeartbeatMoving");
});

test("every agent misses its heartbeat: True, and False again when it moves", () => {
  const cluster = new Cluster();
  cluster.silence("worker-1");
  cluster.pass(20_000);
  assert.equal(conditionOf(cluster, "worker-1")?.status, "False", "silence alone proves nothing");
  misses(cluster, "default-2", [1]);
  cluster.settle();
  assert.equal(conditionOf(cluster, "worker-1")?.status, "False", "one of two");
  misses(cluster, "default-3", [1]);
  cluster.settle();
  const unhealthy = conditionOf(cluster, "worker-1");
  assert.deepEqual([unhealthy?.status, unhealthy?.reason], ["True", "HeartbeatTimeout"]);
  assert.equal(unhealthy?.lastTransitionTime, wallAt(cluster.nowMs));
  cluster.resume("worker-1");
  misses(cluster, "default-2", []);
  misses(cluster, "default-3", []);
  cluster.pass(1_000);
  assert.equal(conditionOf(cluster, "worker-1")?.status, "False");
});

test("an agent that reports good passes which nobody else sees: True", () => {
  const cluster = new Cluster();
  misses(cluster, "default-2", [1]);
  misses(cluster, "default-3", [1]);
  cluster.pass(1_000);
  assert.equal(conditionOf(cluster, "worker-1")?.status, "True");
});

test("the storage of all is gone: nobody is left to say so, and no condition changes", () => {
  const cluster = new Cluster();
  for (const [index, name] of ["worker-1", "worker-2", "worker-3"].entries()) {
    misses(
      cluster,
      `default-${index + 1}`,
      [1, 2, 3].filter((nodeID) => nodeID !== index + 1),
    );
    cluster.silence(name);
  }
  cluster.nowMs += 60_000;
  cluster.settle();
  for (const name of ["worker-1", "worker-2", "worker-3"]) {
    assert.equal(conditionOf(cluster, name)?.status, "False");
  }
});

test("the kubelet's conditions stay, and a write on an old version of them fails", () => {
  const cluster = new Cluster();
  misses(cluster, "default-2", [1]);
  misses(cluster, "default-3", [1]);
  const snapshot = cluster.api.snapshot();
  cluster.leader.look(snapshot, cluster.nowMs);
  cluster.setReady("worker-1", "False");
  const written = cluster.leader.write(cluster.nowMs);
  assert.deepEqual(
    written
      .filter(({ action }) => action.type === "set-node-conditions")
      .map(({ outcome }) => outcome),
    ["conflict"],
  );
  cluster.settle();
  assert.equal(conditionOf(cluster, "worker-1")?.status, "True");
  const ready = cluster.node("worker-1").status?.conditions?.find(({ type }) => type === "Ready");
  assert.equal(ready?.status, "False");
});

/** Both others say that worker-1 no longer moves. */
function complain(cluster: Cluster): void {
  cluster.silence("worker-1");
  misses(cluster, "default-2", [1]);
  misses(cluster, "default-3", [1]);
}

test("an agent that left in order is not unhealthy, whatever its peers say", () => {
  const cluster = new Cluster();
  cluster.agentReports("default-1", { leaving: true, armed: false });
  complain(cluster);
  cluster.pass(60_000);
  assert.equal(conditionOf(cluster, "worker-1")?.status, "False");
});

test("an agent that leaves an unhealthy node takes the condition with it", () => {
  const cluster = new Cluster();
  complain(cluster);
  cluster.pass(20_000);
  assert.equal(conditionOf(cluster, "worker-1")?.status, "True");
  cluster.agentReports("default-1", { leaving: true });
  cluster.settle();
  assert.equal(conditionOf(cluster, "worker-1"), null);
});

test("a node that the config excludes loses the condition and, once its agent has left, its slot", () => {
  const cluster = new Cluster();
  complain(cluster);
  cluster.pass(20_000);
  cluster.api.change("SBDConfig", "default", (config) => {
    config.spec = { ...(config.spec as object), nodeExclusionList: ["worker-1"] };
  });
  cluster.settle();
  assert.equal(conditionOf(cluster, "worker-1"), null);
  assert.equal(cluster.slotOf("worker-1")?.metadata.deletionTimestamp, undefined);
  cluster.agentReports("default-1", { leaving: true, armed: false });
  cluster.pass(16_000);
  assert.notEqual(cluster.slotOf("worker-1")?.metadata.deletionTimestamp, undefined);
});

test("with the SBDConfig the condition goes", () => {
  const cluster = new Cluster();
  complain(cluster);
  cluster.pass(20_000);
  cluster.api.delete("SBDConfig", "default");
  cluster.settle();
  for (const name of ["worker-1", "worker-2", "worker-3"]) {
    assert.equal(conditionOf(cluster, name), null);
  }
});
