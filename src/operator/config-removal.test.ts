import assert from "node:assert/strict";
import { test } from "node:test";

import { Cluster } from "./scenarios/cluster.ts";
import { wallAt } from "./scenarios/leader.ts";

const NODES = ["worker-1", "worker-2", "worker-3"] as const;

function agentPod(node: string): string {
  return `sbd-agent-default-${node}`;
}

/** With the agents' pods, which in these tests no kubelet takes away. */
function newCluster(): Cluster {
  const cluster = new Cluster();
  for (const node of NODES) {
    cluster.addPod(agentPod(node), node);
    cluster.api.change("Pod", agentPod(node), ({ metadata }) => {
      metadata.labels = { app: "sbd-agent", "medik8s.io/sbdconfig": "default" };
    });
  }
  return cluster;
}

/** It leaves in order, as a pod does whose DaemonSet is deleted. */
function leave(cluster: Cluster, node: string, number: number): void {
  cluster.agentReports(`default-${number}`, { leaving: true, armed: false });
  cluster.silence(node);
  cluster.api.delete("Pod", agentPod(node));
}

function ready(cluster: Cluster): { reason: string; message: string } {
  const { conditions } = (cluster.api.get("SBDConfig", "default")?.status ?? {}) as {
    conditions: { type: string; reason: string; message: string }[];
  };
  const found = conditions.find(({ type }) => type === "Ready");
  assert.ok(found);
  return found;
}

function storageConditions(cluster: Cluster): number {
  return NODES.filter((name) =>
    cluster.node(name).status?.conditions?.some(({ type }) => type === "SBDStorageUnhealthy"),
  ).length;
}

function slotCount(cluster: Cluster): number {
  return cluster.api.list("SBDNode").length;
}

test("a deleted SBDConfig leaves nothing, in order, and waits for its agents", () => {
  const cluster = newCluster();
  assert.equal(storageConditions(cluster), 3);
  cluster.api.delete("SBDConfig", "default");
  cluster.settle();
  assert.equal(cluster.api.get("DaemonSet", "sbd-agent-default"), null);
  assert.equal(cluster.api.get("Job", "sbd-device-init-default"), null);
  assert.deepEqual([slotCount(cluster), ready(cluster).reason], [3, "Removing"]);
  assert.match(ready(cluster).message, /agents and fencers to leave: worker-1, worker-2, worker-3/);

  leave(cluster, "worker-1", 1);
  leave(cluster, "worker-2", 2);
  cluster.pass(60_000);
  assert.equal(slotCount(cluster), 3);
  assert.match(ready(cluster).message, /to leave: worker-3\./);

  leave(cluster, "worker-3", 3);
  cluster.pass(10_000);
  assert.equal(slotCount(cluster), 3);
  cluster.takeTrace();
  cluster.pass(10_000);
  assert.equal(cluster.api.get("SBDConfig", "default"), null);
  assert.deepEqual([slotCount(cluster), storageConditions(cluster)], [0, 0]);
  const order = cluster.takeTrace();
  const last = order.findLastIndex((line) => line.startsWith("condition"));
  assert.ok(last < order.findIndex((line) => line.startsWith("delete default-")), order.join("\n"));
  assert.equal(order.at(-1), "finalizers default []");
});

test("one created anew under its name waits until the old one is gone", () => {
  const cluster = newCluster();
  cluster.api.delete("SBDConfig", "default");
  assert.equal(cluster.api.create("SBDConfig", { name: "default" }), "exists");
});

test("requests for its nodes end first, while agents still run that can take messages back", () => {
  const cluster = newCluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.settle();
  assert.notDeepEqual(cluster.taints("worker-1"), []);
  cluster.api.delete("SBDConfig", "default");
  cluster.pass(10_000);
  assert.notEqual(cluster.api.get("DaemonSet", "sbd-agent-default"), null);
  assert.equal(ready(cluster).reason, "Removing");
  assert.match(ready(cluster).message, /waits for SBDRemediations sbd-system\/req/);
});

test("an agent on a lost node is waited for by name, and no longer once its Node is deleted", () => {
  const cluster = newCluster();
  cluster.lose("worker-3");
  cluster.api.delete("SBDConfig", "default");
  leave(cluster, "worker-1", 1);
  leave(cluster, "worker-2", 2);
  cluster.pass(600_000);
  assert.match(ready(cluster).message, /to leave: worker-3\. One on a node that is lost/);
  cluster.api.delete("Node", "worker-3");
  cluster.pass(2_000);
  assert.equal(cluster.api.get("SBDConfig", "default"), null);
  assert.equal(slotCount(cluster), 0);
});

test("SBDNodes that are deleted with it and a sick storage leave no condition", () => {
  const cluster = newCluster();
  cluster.silence("worker-1");
  const peers = { unhealthyPeers: [{ nodeID: 1, since: wallAt(0) }] };
  cluster.agentReports("default-2", peers);
  cluster.agentReports("default-3", peers);
  cluster.pass(20_000);
  cluster.api.delete("SBDConfig", "default");
  for (const [index, node] of NODES.entries()) {
    cluster.api.delete("SBDNode", `default-${index + 1}`);
    leave(cluster, node, index + 1);
  }
  cluster.pass(60_000);
  assert.equal(cluster.api.get("SBDConfig", "default"), null);
  assert.deepEqual([slotCount(cluster), storageConditions(cluster)], [0, 0]);
});
