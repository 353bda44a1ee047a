import assert from "node:assert/strict";
import { test } from "node:test";

import { Cluster, M_MS } from "./scenarios/cluster.ts";

const OURS = "medik8s.io/sbd-remediation";
const TAINT_LINE = `taints worker-1 []`;
const RELEASE_LINE = "finalizers req []";

function isThere(cluster: Cluster, name = "req"): boolean {
  return cluster.api.get("SBDRemediation", name) !== null;
}

/** The last lines about the request and its node, without events and settings of the config. */
function endOf(cluster: Cluster, count: number): readonly string[] {
  return cluster
    .takeTrace()
    .filter((line) => !/^(event|apply|status default)/.test(line))
    .slice(-count);
}

function named(): Cluster {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.settle();
  return cluster;
}

function taskDone(cluster: Cluster, sbdNode: string, id: string): void {
  cluster.agentReports(sbdNode, {
    slotTaskResults: [{ id, nodeID: 1, state: "Done", time: "2000-01-01T00:00:00Z" }],
  });
}

function uidOf(cluster: Cluster, name = "req"): string {
  return cluster.api.get("SBDRemediation", name)?.metadata.uid ?? "";
}

test("deleted before our finalizer: it is none of our business", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", {
    nodeName: "worker-1",
    metadata: { finalizers: ["their/finalizer"] },
  });
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.deepEqual(cluster.api.get("SBDRemediation", "req")?.metadata.finalizers, [
    "their/finalizer",
  ]);
  assert.deepEqual(cluster.taints("worker-1"), []);
});

test("deleted before a fencer is named: taint off, then the finalizer", () => {
  const cluster = new Cluster({ nodes: 1 });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.taints("worker-1").length, 1);
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.deepEqual(endOf(cluster, 2), [TAINT_LINE, RELEASE_LINE]);
  assert.equal(isThere(cluster), false);
});

test("deleted while the message stands: its fencer clears, then taint, then finalizer", () => {
  const cluster = named();
  cluster.api.delete("SBDRemediation", "req");
  cluster.pass(3 * M_MS);
  assert.equal(isThere(cluster), true);
  assert.deepEqual(cluster.api.get("SBDRemediation", "req")?.metadata.finalizers, [OURS]);
  assert.equal(cluster.taints("worker-1").length, 1);
  taskDone(cluster, "default-2", `clear-${uidOf(cluster)}`);
  cluster.settle();
  assert.deepEqual(endOf(cluster, 3), [
    "task default-1 Clear by worker-2",
    TAINT_LINE,
    RELEASE_LINE,
  ]);
  assert.equal(isThere(cluster), false);
});

test("what was done for another request, or not done, releases nothing", () => {
  const cluster = named();
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  taskDone(cluster, "default-2", "clear-another-uid");
  cluster.agentReports("default-3", {
    slotTaskResults: [
      {
        id: `clear-${uidOf(cluster)}`,
        nodeID: 1,
        state: "Refused",
        reason: "a request is open",
        time: "2000-01-01T00:00:00Z",
      },
    ],
  });
  cluster.pass(3 * M_MS);
  assert.equal(isThere(cluster), true);
});

test("the fencer that was to clear falls silent: another one is, when no write can be in flight", () => {
  const cluster = named();
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  cluster.silence("worker-2");
  cluster.pass(M_MS - 1_000);
  assert.deepEqual(endOf(cluster, 1), ["task default-1 Clear by worker-2"]);
  cluster.pass(1_000);
  assert.deepEqual(endOf(cluster, 1), ["task default-1 Clear by worker-3"]);
});

test("a fencer was replaced: its write may be in flight, so clearing waits for M", () => {
  const cluster = named();
  cluster.silence("worker-2");
  cluster.pass(16_000);
  assert.equal(cluster.fencer("req"), "worker-3");
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  cluster.pass(M_MS - 2_000);
  assert.deepEqual(endOf(cluster, 1), []);
  cluster.pass(2_000);
  assert.deepEqual(endOf(cluster, 1), ["task default-1 Clear by worker-3"]);
});

test("a new leader does not know who was named before, and waits for M too", () => {
  const cluster = named();
  cluster.silence("worker-2");
  cluster.pass(16_000);
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  const next = cluster.newLeader();
  cluster.settle(next);
  cluster.pass(M_MS - 1_000, next);
  assert.deepEqual(endOf(cluster, 1), []);
  cluster.pass(1_000, next);
  assert.deepEqual(endOf(cluster, 1), ["task default-1 Clear by worker-3"]);
});

test("another leader replaced the fencer: clearing waits for M all the same", () => {
  const cluster = named();
  const other = cluster.newLeader();
  cluster.silence("worker-2");
  for (let second = 0; second < 16; second += 1) {
    cluster.leader.look(cluster.api.snapshot(), cluster.nowMs);
    cluster.pass(1_000, other);
  }
  assert.equal(cluster.fencer("req"), "worker-3");
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  cluster.pass(M_MS - 2_000);
  assert.deepEqual(endOf(cluster, 1), []);
});

test("timed out, then deleted at once: the withdrawn fencer's write may be in flight", () => {
  const cluster = named();
  cluster.annotate("req", { "remediation.medik8s.io/nhc-timed-out": "2000-01-01T00:10:01Z" });
  cluster.settle();
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  cluster.pass(M_MS - 2_000);
  assert.deepEqual(endOf(cluster, 1), []);
  cluster.pass(3_000);
  assert.deepEqual(endOf(cluster, 1), ["task default-1 Clear by worker-2"]);
});

test("deleted after the proof: released at once, nothing is to be cleared", () => {
  const cluster = named();
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  assert.equal(cluster.status("req").phase, "FencedSuccessfully");
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.deepEqual(endOf(cluster, 2), [TAINT_LINE, RELEASE_LINE]);
});

test("deleted with evidence that no condition shows yet: released at once", () => {
  const cluster = named();
  cluster.reportProven("req", "worker-1", "Rebooted");
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.equal(isThere(cluster), false);
  assert.deepEqual(cluster.taints("worker-1"), []);
});

test("superseded by a new boot: cleared at once where an agent can, else released after M", () => {
  const cluster = named();
  cluster.reboot("worker-1", 2);
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.deepEqual(endOf(cluster, 1), ["task default-1 Clear by worker-2"]);
  cluster.silence("worker-2");
  cluster.silence("worker-3");
  cluster.pass(M_MS - 1_000);
  assert.equal(isThere(cluster), true);
  cluster.pass(1_000);
  assert.equal(isThere(cluster), false);
  assert.deepEqual(cluster.taints("worker-1"), []);
});

test("a Node whose kubelet tells no boot is not a new boot", () => {
  const cluster = named();
  cluster.api.change("Node", "worker-1", (node) => {
    node.status = { conditions: [{ type: "Ready", status: "Unknown" }] };
  });
  cluster.api.delete("SBDRemediation", "req");
  cluster.pass(3 * M_MS);
  assert.equal(isThere(cluster), true);
});

test("the Node is gone: released at once, the message is the SBDNode's affair", () => {
  const cluster = named();
  cluster.api.delete("Node", "worker-1");
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.equal(isThere(cluster), false);
  assert.notEqual(cluster.slotOf("worker-1")?.metadata.deletionTimestamp, undefined);
});

test("two names that differ: deleted without ado", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", {
    annotation: "worker-1",
    nodeName: "worker-2",
    metadata: { finalizers: [OURS] },
  });
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.equal(isThere(cluster), false);
});

test("another open request with a fencer inherits the message, and the taint stays for it", () => {
  const cluster = named();
  cluster.createRemediation("other", { nodeName: "worker-1" });
  cluster.settle();
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.equal(isThere(cluster), false);
  assert.equal(cluster.taints("worker-1").length, 1);
  cluster.api.delete("SBDRemediation", "other");
  cluster.settle();
  assert.deepEqual(endOf(cluster, 1), ["task default-1 Clear by worker-2"]);
});

test("another open request that no fencer was named for inherits nothing: its message would be nobody's", () => {
  const cluster = named();
  cluster.silence("worker-2");
  cluster.silence("worker-3");
  cluster.pass(15_000);
  cluster.createRemediation("other", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.fencer("other"), "");
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.ok(isThere(cluster), "released, with its message on the device and no fencer to mind it");
  cluster.resume("worker-2");
  cluster.pass(1_000);
  assert.notEqual(cluster.fencer("other"), "");
  cluster.settle();
  assert.ok(!isThere(cluster));
});

test("another request that has failed inherits nothing: the message is cleared, the taint stays", () => {
  const cluster = named();
  cluster.createRemediation("other", { nodeName: "worker-1" });
  cluster.settle();
  cluster.annotate("other", { "remediation.medik8s.io/nhc-timed-out": "2000-01-01T00:10:01Z" });
  cluster.settle();
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.deepEqual(endOf(cluster, 1), ["task default-1 Clear by worker-2"]);
  taskDone(cluster, "default-2", `clear-${uidOf(cluster)}`);
  cluster.settle();
  assert.equal(isThere(cluster), false);
  assert.equal(cluster.taints("worker-1").length, 1);
});

test("deleted with an SBDConfig whose times are impossible: still released in order", () => {
  const cluster = named();
  cluster.api.change("SBDConfig", "default", (config) => {
    (config.spec as { sbdTimeoutSeconds: number }).sbdTimeoutSeconds = 1;
  });
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.deepEqual(endOf(cluster, 1), ["task default-1 Clear by worker-2"]);
});
