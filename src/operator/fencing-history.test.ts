import assert from "node:assert/strict";
import { test } from "node:test";

import type { PastFencing } from "../api/sbd-node.ts";
import { Cluster } from "./scenarios/cluster.ts";

function fencings(cluster: Cluster): readonly PastFencing[] {
  const status = cluster.slotOf("worker-1")?.status as { fencings?: PastFencing[] } | undefined;
  return status?.fencings ?? [];
}

function fence(cluster: Cluster, name: string, observations = "packed"): void {
  cluster.pass(1_000);
  cluster.createRemediation(name, { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable(name, "worker-1");
  cluster.settle();
  cluster.reportProven(name, "worker-1");
  cluster.fencerReports(name, { evidence: { observations } });
  cluster.settle();
}

test("a fencing is kept after its request is gone, with what proved the death", () => {
  const cluster = new Cluster();
  fence(cluster, "req");
  const [kept] = fencings(cluster);
  assert.equal(kept?.requestName, "req");
  assert.equal(kept?.outcome, "Released");
  assert.ok(kept?.evidence !== undefined);
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.deepEqual(fencings(cluster), [kept]);
});

test("the newest stands first, and the sixth is let go", () => {
  const cluster = new Cluster();
  const names = ["a", "b", "c", "d", "e", "f"];
  for (const name of names) {
    fence(cluster, name);
    cluster.api.delete("SBDRemediation", name);
    cluster.settle();
  }
  assert.deepEqual(
    fencings(cluster).map(({ requestName }) => requestName),
    names.slice(1).toReversed(),
  );
});

test("old proofs lose their observations before the object grows too large", () => {
  const cluster = new Cluster();
  for (const name of ["a", "b", "c"]) {
    fence(cluster, name, "x".repeat(150_000));
    cluster.api.delete("SBDRemediation", name);
    cluster.settle();
  }
  assert.deepEqual(
    fencings(cluster).map(({ evidence }) => evidence?.observations?.length ?? 0),
    [150_000, 150_000, 0],
  );
});

test("more requests at once than are kept do not take each other's place for ever", () => {
  const cluster = new Cluster();
  fence(cluster, "a");
  for (const name of ["b", "c", "d", "e", "f", "g"]) {
    cluster.createRemediation(name, { nodeName: "worker-1" });
    cluster.settle();
  }
  const kept = fencings(cluster);
  assert.equal(kept.length, 5);
  cluster.settle();
  assert.deepEqual(fencings(cluster), kept);
});
