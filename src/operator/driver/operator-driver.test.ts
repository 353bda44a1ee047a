import assert from "node:assert/strict";
import { test } from "node:test";

import { BACKOFFS } from "../../kube/error-class.ts";
import type { KubeErrorCode } from "../../kube/kube-error.ts";
import { Cluster, M_MS, rowOf } from "../scenarios/cluster.ts";
import type { Written } from "../scenarios/leader.ts";
import type { WriteAction, WriteAnswer } from "./operator-driver.ts";

function failing(
  code: KubeErrorCode,
  which: (action: WriteAction) => boolean,
): (action: WriteAction) => WriteAnswer | null {
  return (action) =>
    which(action)
      ? { kind: "failed", code, message: `${code}, by the test`, retryAfterMs: null }
      : null;
}

function taintsOf(name: string): (action: WriteAction) => boolean {
  return (action) => action.type === "set-taints" && action.target.name === name;
}

function deletesPod({ type }: WriteAction): boolean {
  return type === "delete-pod";
}

/** What is tried in a time, a look each tick. */
function triesIn(cluster: Cluster, ms: number, which: (action: WriteAction) => boolean): number {
  let tries = 0;
  const { refuse } = cluster.leader;
  cluster.leader.refuse = (action) => {
    if (which(action)) tries += 1;
    return refuse(action);
  };
  cluster.pass(ms);
  cluster.leader.refuse = refuse;
  return tries;
}

test("a node that cannot be written stops no other node's fencing", () => {
  const cluster = new Cluster({ nodes: 5 });
  cluster.leader.refuse = failing("SERVER", taintsOf("worker-1"));
  cluster.createRemediation("a", { nodeName: "worker-1" });
  cluster.createRemediation("b", { nodeName: "worker-2" });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), []);
  assert.deepEqual(cluster.taints("worker-2"), ["medik8s.io/sbd-remediation:NoSchedule"]);
  cluster.reportDurable("b", "worker-2");
  cluster.settle();
  cluster.reportProven("b", "worker-2");
  cluster.lose("worker-2");
  cluster.settle();
  assert.equal(rowOf(cluster.status("b"))[0], "FencedSuccessfully");
  assert.equal(rowOf(cluster.status("a"))[0], "Pending");

  const tries = triesIn(cluster, 60_000, taintsOf("worker-1"));
  assert.ok(tries >= 60_000 / (BACKOFFS.transient.maxMs + 1_000) - 2, `${tries} tries`);
  assert.ok(tries <= 20, `${tries} tries`);
  cluster.leader.refuse = () => null;
  cluster.pass(BACKOFFS.transient.maxMs + 1_000);
  assert.deepEqual(cluster.taints("worker-1"), ["medik8s.io/sbd-remediation:NoSchedule"]);
});

test("a write that is refused for good is said, made again seldom, and fails the request at M", () => {
  const cluster = new Cluster();
  cluster.leader.refuse = failing("REFUSED", taintsOf("worker-1"));
  cluster.createRemediation("req", { nodeName: "worker-1" });
  const tries = triesIn(cluster, M_MS - 2_000, taintsOf("worker-1"));
  assert.equal(tries, 1);
  assert.equal(cluster.status("req").phase, "Pending");
  assert.match(cluster.status("req").message ?? "", /refuses .* REFUSED, by the test; look at/);
  cluster.pass(4_000);
  assert.deepEqual(rowOf(cluster.status("req")), [
    "Failed",
    "Processing False FencingFailed",
    "FencingSucceeded False FencingFailed",
    "Succeeded False FencingFailed",
    "Ready True Failed",
  ]);
});

test("what is refused for a moment, as after a restart of the API server, is only waited for", () => {
  const cluster = new Cluster();
  cluster.leader.refuse = failing("FORBIDDEN", () => true);
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.pass(2_000);
  cluster.leader.refuse = () => null;
  cluster.pass(3_000);
  assert.notEqual(cluster.fencer("req"), "");
});

test("a refusal ends with its reason", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1", strategy: "ResourceDeletion" });
  cluster.addPod("app", "worker-1");
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.settle();
  cluster.reportProven("req", "worker-1");
  cluster.leader.refuse = failing("REFUSED", deletesPod);
  cluster.lose("worker-1");
  const tries = triesIn(cluster, 20_000, deletesPod);
  assert.equal(tries, 1);
  assert.match(cluster.status("req").message ?? "", /ClusterRole sbd-operator/);
  assert.equal(rowOf(cluster.status("req"))[2], "FencingSucceeded True FencingCompleted");
  cluster.leader.refuse = () => null;
  cluster.pass(BACKOFFS.permanent.minMs);
  assert.equal(cluster.status("req").phase, "FencedSuccessfully");
});

test("no event tells of what was not written", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.leader.refuse = failing("TIMEOUT", ({ type }) => type === "patch-remediation-status");
  const written: Written[] = [];
  for (let second = 0; second < 30; second += 1) {
    cluster.nowMs += 1_000;
    cluster.leader.look(cluster.api.snapshot(), cluster.nowMs);
    written.push(...cluster.leader.write(cluster.nowMs));
  }
  assert.ok(written.length > 3);
  assert.deepEqual(
    written.filter(({ action }) => action.type === "event"),
    [],
  );
  cluster.leader.refuse = () => null;
  cluster.pass(BACKOFFS.transient.maxMs + 1_000);
  const first = cluster.takeTrace().find((line) => line.startsWith("event"));
  assert.match(first ?? "", /FencingInitiated/);
});

test("an outage is said once, and its end", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.leader.refuse = failing("UNREACHABLE", () => true);
  const said: string[] = [];
  const look = (): void => {
    cluster.nowMs += 1_000;
    cluster.leader.look(cluster.api.snapshot(), cluster.nowMs);
    cluster.leader.write(cluster.nowMs);
    for (const told of cluster.leader.told) {
      if (told.type === "log" && told.fields["request"] !== undefined) {
        said.push(
          `${told.level} ${told.fields["request"]} ${told.fields["node"]}: ${told.message}`,
        );
      }
    }
  };
  for (let second = 0; second < 30; second += 1) look();
  cluster.leader.refuse = () => null;
  for (let second = 0; second < 10; second += 1) look();
  assert.deepEqual(said, [
    "warn sbd-system/req worker-1: patch-remediation-status failed",
    "info sbd-system/req worker-1: works again",
  ]);
});
