import assert from "node:assert/strict";
import { test } from "node:test";

import { bootOf, Cluster, M_MS } from "./scenarios/cluster.ts";

const TAINT = "medik8s.io/sbd-remediation";

/** `req` is accepted for the first boot of worker-1, of which nobody is named a fencer for lack of agents. */
function acceptedLate(): Cluster {
  const cluster = new Cluster();
  cluster.lose("worker-1");
  for (const name of ["worker-2", "worker-3"]) cluster.silence(name);
  cluster.pass(60_000);
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.status("req").nodeBootID, bootOf("worker-1"));
  assert.equal(cluster.fencer("req"), "");
  return cluster;
}

/** Request `first` is carried out: boot 1 of worker-1 is proven dead. */
function firstProven(): Cluster {
  const cluster = new Cluster();
  cluster.lose("worker-1");
  cluster.createRemediation("first", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("first", "worker-1");
  cluster.reportProven("first", "worker-1", "Rebooted");
  cluster.settle();
  return cluster;
}

function othersAreBack(cluster: Cluster): void {
  for (const name of ["worker-2", "worker-3"]) cluster.resume(name);
  cluster.beat();
  cluster.settle();
}

test("a boot that is Ready is not fenced for its predecessor, and the request fails in the end", () => {
  const cluster = acceptedLate();
  cluster.reboot("worker-1", 2);
  othersAreBack(cluster);
  assert.equal(cluster.fencer("req"), "");
  assert.match(cluster.status("req").message ?? "", /not ended for its predecessor/);
  cluster.pass(2 * M_MS + 1_000);
  assert.equal(cluster.status("req").phase, "Failed");
  assert.match(cluster.status("req").message ?? "", /Ask again/);
  assert.equal(cluster.fencer("req"), "");
});

test("a boot that does not become Ready is asked for, and one whose kubelet falls silent at once", () => {
  const cluster = acceptedLate();
  cluster.reboot("worker-1", 2, "False");
  othersAreBack(cluster);
  cluster.pass(30_000);
  assert.equal(cluster.fencer("req"), "");
  assert.equal(cluster.status("req").nodeBootID, bootOf("worker-1"));
  cluster.pass(31_000);
  assert.equal(cluster.status("req").nodeBootID, bootOf("worker-1", 2));
  assert.notEqual(cluster.fencer("req"), "");
  cluster.reboot("worker-1", 3);
  cluster.setReady("worker-1", "Unknown");
  cluster.settle();
  assert.equal(cluster.status("req").nodeBootID, bootOf("worker-1", 3));
});

test("what was proven for one request holds for another about the same boot", () => {
  const cluster = new Cluster();
  cluster.lose("worker-1");
  for (const name of ["first", "second"]) {
    cluster.createRemediation(name, { nodeName: "worker-1" });
  }
  cluster.settle();
  cluster.reportDurable("first", "worker-1");
  cluster.settle();
  cluster.reboot("worker-1", 2);
  cluster.reportProven("first", "worker-1", "Rebooted");
  cluster.fencerReports("first", { evidence: { observations: "packed" } });
  cluster.settle();
  const { evidence, state } = cluster.status("second").fencing ?? {};
  assert.equal(state, "Proven");
  assert.equal(evidence?.kind, "Rebooted");
  assert.equal(evidence?.bootID, bootOf("worker-1"));
  assert.match(evidence?.detail ?? "", /^proven for SBDRemediation sbd-system\/first: /);
  assert.equal(evidence?.observations, undefined);
  assert.equal(cluster.status("second").phase, "FencedSuccessfully");
});

test("a request is about the boot that ran when the leader first saw it, however late it is accepted", () => {
  const cluster = new Cluster();
  cluster.lose("worker-1");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.leader.look(cluster.api.snapshot(), cluster.nowMs);
  cluster.reboot("worker-1", 2);
  cluster.settle();
  assert.equal(cluster.status("req").nodeBootID, bootOf("worker-1"));
  assert.equal(cluster.fencer("req"), "");
});

test("and does not hold for one about the boot after it", () => {
  const cluster = firstProven();
  cluster.reboot("worker-1", 2, "False");
  cluster.createRemediation("second", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.status("second").nodeBootID, bootOf("worker-1", 2));
  assert.equal(cluster.status("second").fencing?.evidence, undefined);
});

test("NoExecute outlasts a proof that another request may still share", () => {
  const cluster = firstProven();
  cluster.reboot("worker-1", 2);
  cluster.createRemediation("second", { nodeName: "worker-1" });
  cluster.settle();
  cluster.fencerReports("second", {
    state: "Waiting",
    bootID: bootOf("worker-1", 2),
    unfencable: { code: "NOT_ARMED", detail: "its watchdog was never armed in this boot" },
  });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`]);
});
