import assert from "node:assert/strict";
import { test } from "node:test";

import { Cluster } from "./scenarios/cluster.ts";

const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";
const EXCLUDE = "remediation.medik8s.io/exclude-from-remediation";

function label(cluster: Cluster, name: string, key: string, value: string | null): void {
  cluster.api.change("Node", name, (node) => {
    const { [key]: _, ...others } = node.metadata.labels ?? {};
    node.metadata.labels = value === null ? others : { ...others, [key]: value };
  });
}

function withTwoOfControlPlane(): Cluster {
  const cluster = new Cluster({ nodes: 7 });
  for (const name of ["worker-1", "worker-2"]) label(cluster, name, CONTROL_PLANE, "");
  cluster.createRemediation("one", { nodeName: "worker-1" });
  cluster.settle();
  assert.notEqual(cluster.fencer("one"), "");
  cluster.createRemediation("two", { nodeName: "worker-2" });
  cluster.createRemediation("work", { nodeName: "worker-3" });
  cluster.settle();
  return cluster;
}

test("a second control-plane node waits for the first to be back Ready, and a worker does not", () => {
  const cluster = withTwoOfControlPlane();
  const waits = (): void => {
    assert.equal(cluster.fencer("two"), "");
    assert.match(cluster.status("two").message ?? "", /waiting for control-plane node worker-1/);
  };
  waits();
  assert.notEqual(cluster.fencer("work"), "");
  cluster.setReady("worker-1", "Unknown");
  cluster.reportDurable("one", "worker-1");
  cluster.settle();
  waits();
  cluster.reportProven("one", "worker-1");
  cluster.settle();
  waits();
  cluster.pass(5_000);
  waits();
  cluster.setReady("worker-1", "True");
  cluster.pass(5_000);
  assert.equal(cluster.status("one").phase, "FencedSuccessfully");
  assert.notEqual(cluster.fencer("two"), "");
});

test("a message is not withdrawn for a guard that begins to hold after it", () => {
  const cluster = new Cluster({ nodes: 5 });
  for (const name of ["worker-1", "worker-2"]) label(cluster, name, CONTROL_PLANE, "");
  cluster.createRemediation("one", { nodeName: "worker-1" });
  cluster.settle();
  const fencer = cluster.fencer("one");
  cluster.reportDurable("one", "worker-1");
  label(cluster, "worker-1", EXCLUDE, "");
  cluster.pass(5_000);
  assert.equal(cluster.fencer("one"), fencer);
  assert.equal(cluster.status("one").phase, "FencingInProgress");
});

test("a node that is excluded from remediation is not fenced, until the label goes", () => {
  const cluster = new Cluster({ nodes: 5 });
  label(cluster, "worker-1", EXCLUDE, "true");
  cluster.createRemediation("one", { nodeName: "worker-1" });
  cluster.pass(60_000);
  assert.equal(cluster.fencer("one"), "");
  assert.match(cluster.status("one").message ?? "", /exclude-from-remediation/);
  label(cluster, "worker-1", EXCLUDE, null);
  cluster.pass(2_000);
  assert.notEqual(cluster.fencer("one"), "");
});
