import assert from "node:assert/strict";
import { test } from "node:test";

import type { KubeTaint } from "./kube-object.ts";
import { Cluster } from "./scenarios/cluster.ts";

const OURS: KubeTaint = { key: "medik8s.io/sbd-remediation", effect: "NoExecute" };
const OUT_OF_SERVICE: KubeTaint = {
  key: "node.kubernetes.io/out-of-service",
  value: "nodeshutdown",
  effect: "NoExecute",
};
const THEIRS: KubeTaint = { key: "theirs", effect: "NoSchedule" };

function taint(cluster: Cluster, taints: readonly KubeTaint[]): void {
  cluster.api.change("Node", "worker-1", (node) => {
    node.spec = { taints };
  });
}

test("a node that no request names loses our taint and the out-of-service taint beside it", () => {
  const cluster = new Cluster();
  taint(cluster, [OURS, OUT_OF_SERVICE, THEIRS]);
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), ["theirs:NoSchedule"]);
});

test("a leader whose cache lacks the request leaves the node its taints", () => {
  const cluster = new Cluster();
  const before = cluster.api.snapshot();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.settle();
  const stale = { ...cluster.api.snapshot(), remediations: before.remediations };
  cluster.leader.look(stale, cluster.nowMs);
  const written = cluster.leader
    .write(cluster.nowMs)
    .find(({ action }) => action.type === "release-taints");
  assert.equal(written?.outcome, "conflict");
  assert.deepEqual(cluster.taints("worker-1"), ["medik8s.io/sbd-remediation:NoExecute"]);
});

test("an out-of-service taint that stands alone is an administrator's and stays", () => {
  const cluster = new Cluster();
  taint(cluster, [OUT_OF_SERVICE, THEIRS]);
  cluster.settle();
  assert.equal(cluster.taints("worker-1").length, 2);
});

test("a request that is being deleted or has failed still keeps the taints", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.annotate("req", { "remediation.medik8s.io/nhc-timed-out": "2000-01-01T00:10:01Z" });
  cluster.settle();
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), ["medik8s.io/sbd-remediation:NoSchedule"]);
});

test("its finalizer is taken away by hand: the taints go", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.api.delete("SBDRemediation", "req");
  cluster.api.change("SBDRemediation", "req", ({ metadata }) => {
    metadata.finalizers = [];
  });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), []);
});
