import assert from "node:assert/strict";
import { test } from "node:test";

import { bootOf, Cluster } from "./scenarios/cluster.ts";

const TAINT = "medik8s.io/sbd-unprotected:NoSchedule";

/** Every agent has told the boot that it is armed in. */
function armedCluster(): Cluster {
  const cluster = new Cluster({ config: { startupTaint: true } });
  for (const number of [1, 2, 3]) {
    cluster.agentReports(`default-${number}`, { armed: true, bootID: bootOf(`worker-${number}`) });
  }
  cluster.settle();
  return cluster;
}

function configured(cluster: Cluster, spec: Readonly<Record<string, unknown>>): void {
  cluster.api.change("SBDConfig", "default", (config) => {
    config.spec = { ...(config.spec as object), ...spec };
  });
  cluster.settle();
}

test("nobody asks for it: no node is tainted", () => {
  const cluster = new Cluster();
  cluster.agentReports("default-1", { armed: false });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), []);
});

test("a node takes no pods until its agent is armed in its current boot", () => {
  const cluster = armedCluster();
  assert.deepEqual(cluster.taints("worker-1"), [], "the agents of the cluster are armed");
  cluster.reboot("worker-1", 2);
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [TAINT], "the boot before was armed, not this one");
  assert.deepEqual(cluster.taints("worker-2"), []);
  const bootID = bootOf("worker-1", 2);
  cluster.agentReports("default-1", { armed: false, bootID });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [TAINT]);
  cluster.agentReports("default-1", { armed: true, bootID });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), []);
});

test("a node that joins takes no pods before it has a slot and an agent", () => {
  const cluster = armedCluster();
  cluster.addNode("worker-9");
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-9"), [TAINT]);
});

test("others' taints stay, and so does that of a fencing", () => {
  const cluster = armedCluster();
  cluster.api.change("Node", "worker-1", (node) => {
    node.spec = { taints: [{ key: "theirs", effect: "NoSchedule" }] };
  });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.agentReports("default-1", { armed: false });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1").toSorted(), [
    "medik8s.io/sbd-remediation:NoSchedule",
    TAINT,
    "theirs:NoSchedule",
  ]);
});

test("it goes with the field, with detectOnly and from a node that is excluded", () => {
  for (const spec of [
    { startupTaint: false },
    { detectOnly: true },
    { nodeExclusionList: ["worker-1"] },
  ]) {
    const cluster = armedCluster();
    cluster.agentReports("default-1", { armed: false });
    cluster.settle();
    assert.deepEqual(cluster.taints("worker-1"), [TAINT]);
    configured(cluster, spec);
    assert.deepEqual(cluster.taints("worker-1"), [], JSON.stringify(spec));
  }
});

test("it goes when the SBDConfig goes", () => {
  const cluster = armedCluster();
  cluster.agentReports("default-1", { armed: false });
  cluster.settle();
  cluster.api.delete("SBDConfig", "default");
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), []);
});
