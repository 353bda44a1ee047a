import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { bootOf, Cluster, M_MS } from "./scenarios/cluster.ts";

/** Under SurviveWithApi an agent whose path to the device hangs lives on, and so does its write. */
const SURVIVES = { onStorageLoss: "SurviveWithApi" };
/** T, and twice what an agent may be silent: a pass that is reported later began after the grant. */
const SETTLE_MS = 40_000;
const LONG_MS = 5 * M_MS;

let cluster: Cluster;

beforeEach(() => {
  cluster = named();
});

/** worker-2 is named to fence worker-1, and has said nothing since. */
function named(config: Readonly<Record<string, unknown>> = SURVIVES, nodes = 3): Cluster {
  const made = new Cluster({ config, nodes });
  for (let number = 1; number <= nodes; number += 1) {
    made.agentReports(`default-${number}`, { bootID: bootOf(`worker-${number}`) });
  }
  made.createRemediation("req", { nodeName: "worker-1" });
  made.settle();
  return made;
}

function clearsBy(): readonly string[] {
  return cluster
    .takeTrace()
    .filter((line) => line.startsWith("task"))
    .map((line) => line.replace(/.* by /, ""));
}

/** worker-2 loses the device, and the request is deleted. */
function loseThenDelete(): void {
  cluster.silence("worker-2");
  cluster.pass(14_000);
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
}

test("a fencer that lives without the device is waited for, and said to be", () => {
  loseThenDelete();
  cluster.pass(LONG_MS);
  assert.deepEqual(clearsBy(), []);
  assert.match(cluster.status("req").message ?? "", /a fence message of worker-2 may still reach/);
  cluster.resume("worker-2");
  cluster.pass(1_000);
  assert.deepEqual(clearsBy(), ["worker-2"]);
});

test("armed under SelfFence it is dead after M", () => {
  cluster = named({});
  loseThenDelete();
  cluster.pass(M_MS);
  assert.deepEqual(clearsBy(), []);
  cluster.pass(1_000);
  assert.deepEqual(clearsBy(), ["worker-3"]);
});

test("unarmed it may live on for ever", () => {
  cluster = named({});
  loseThenDelete();
  cluster.agentReports("default-2", { armed: false });
  cluster.pass(LONG_MS);
  assert.deepEqual(clearsBy(), []);
});

for (const [how, ends] of Object.entries({
  "its Node shows another boot": () => cluster.reboot("worker-2", 2),
  "its agent reports from another boot": () =>
    cluster.agentReports("default-2", { bootID: bootOf("worker-2", 2) }),
  "its Node is gone": () => cluster.api.delete("Node", "worker-2"),
  "it obeys a message itself": () => cluster.agentReports("default-2", { fenced: true }),
  "it has left": () => cluster.agentReports("default-2", { leaving: true }),
  "its boot is proven dead": () => {
    cluster.createRemediation("other", { nodeName: "worker-2" });
    cluster.settle();
    cluster.reportProven("other", "worker-2");
  },
})) {
  test(`waited for until ${how}`, () => {
    loseThenDelete();
    cluster.pass(LONG_MS);
    assert.deepEqual(clearsBy(), []);
    ends();
    cluster.settle();
    assert.deepEqual(clearsBy(), ["worker-3"]);
  });
}

test("a Node that was behind its agent's boot and catches up shows no other boot", () => {
  cluster = new Cluster({ config: SURVIVES });
  cluster.agentReports("default-2", { bootID: bootOf("worker-2", 2) });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  loseThenDelete();
  cluster.reboot("worker-2", 2);
  cluster.pass(LONG_MS);
  assert.deepEqual(clearsBy(), []);
});

test("a fencer that was replaced is waited for too, until it has looked at the device since", () => {
  cluster.silence("worker-2");
  cluster.pass(16_000);
  assert.equal(cluster.fencer("req"), "worker-3");
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  cluster.pass(LONG_MS);
  assert.deepEqual(clearsBy(), []);
  cluster.resume("worker-2");
  cluster.pass(1_000);
  assert.deepEqual(clearsBy(), ["worker-3"]);
});

test("a report that may tell of a pass from before the last grant ran out settles nothing", () => {
  cluster.silence("worker-2");
  cluster.pass(16_000);
  cluster.api.delete("SBDRemediation", "req");
  cluster.resume("worker-2");
  cluster.takeTrace();
  cluster.pass(SETTLE_MS - 2_000);
  assert.deepEqual(clearsBy(), []);
  cluster.pass(4_000);
  assert.deepEqual(clearsBy(), ["worker-3"]);
});

/** worker-4 was perhaps a fencer: a new leader cannot know. */
function newLeaderAndSilence(passMs: number, each: (atMs: number) => void): void {
  cluster = named(SURVIVES, 4);
  cluster.silence("worker-4");
  cluster.pass(16_000);
  const next = cluster.newLeader();
  cluster.settle(next);
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  for (let ms = 0; ms < passMs; ms += 1_000) {
    each(cluster.nowMs);
    cluster.pass(1_000, next);
  }
}

test("a new leader does not know who was named before: who lives by the API alone may write", () => {
  newLeaderAndSilence(2 * LONG_MS, (atMs) =>
    cluster.agentReports("default-4", { lastVouchTime: new Date(atMs).toISOString() }),
  );
  assert.deepEqual(clearsBy(), []);
  assert.match(cluster.status("req").message ?? "", /a fence message of worker-4 may still reach/);
});

test("an agent that shows no sign of life is waited for, and not for ever", () => {
  newLeaderAndSilence(LONG_MS, () => undefined);
  assert.deepEqual(clearsBy(), []);
  newLeaderAndSilence(2 * LONG_MS, () => undefined);
  assert.deepEqual(clearsBy(), ["worker-2"]);
});

test("of two namings of one leader the first came through: it knows whom it named all the same", () => {
  cluster = new Cluster({ config: SURVIVES, nodes: 4 });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  while (cluster.taints("worker-1").length === 0) {
    cluster.round();
  }
  const before = cluster.api.snapshot();
  cluster.settle();
  cluster.leader.look(before, cluster.nowMs + 1_000);
  assert.equal(cluster.fencer("req"), "worker-2");
  cluster.silence("worker-4");
  cluster.pass(16_000);
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  cluster.pass(M_MS + 1_000);
  assert.deepEqual(clearsBy(), ["worker-2"]);
});

test("a cache behind two namings of one leader: nobody was replaced, so clearing does not wait", () => {
  cluster = new Cluster({ config: SURVIVES, nodes: 4 });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  while (cluster.taints("worker-1").length === 0) {
    cluster.round();
  }
  const before = cluster.api.snapshot();
  while (cluster.fencer("req") === "") {
    cluster.round();
  }
  cluster.leader.look(before, cluster.nowMs + 1_000);
  cluster.pass(1_000);
  assert.equal(cluster.fencer("req"), "worker-2");
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  cluster.pass(1_000);
  assert.deepEqual(clearsBy(), ["worker-2"]);
});

test("the leader that named it itself waits for nobody else", () => {
  cluster = named(SURVIVES, 4);
  cluster.silence("worker-4");
  cluster.pass(16_000);
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  cluster.pass(1_000);
  assert.deepEqual(clearsBy(), ["worker-2"]);
});

test("who inherits the message inherits the wait for who may write it", () => {
  cluster.silence("worker-2");
  cluster.pass(14_000);
  cluster.createRemediation("other", { nodeName: "worker-1" });
  cluster.pass(3_000);
  assert.equal(cluster.fencer("other"), "worker-3");
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.equal(cluster.api.get("SBDRemediation", "req"), null);
  cluster.api.delete("SBDRemediation", "other");
  cluster.takeTrace();
  cluster.pass(LONG_MS);
  assert.deepEqual(clearsBy(), []);
  cluster.resume("worker-2");
  cluster.pass(1_000);
  assert.deepEqual(clearsBy(), ["worker-3"]);
});

function fencerPod(name: string, ready: "True" | "False"): void {
  cluster.api.create(
    "Pod",
    {
      name,
      namespace: "sbd-system",
      labels: { app: "sbd-fencer", "medik8s.io/sbdconfig": "default" },
    },
    { spec: { nodeName: "worker-3" }, status: { conditions: [{ type: "Ready", status: ready }] } },
  );
}

test("no watchdog ends a fencer's pod: it is waited for while it is there and not ready", () => {
  cluster = new Cluster({ config: { fencerPlacement: "Operator" } });
  fencerPod("sbd-fencer-default-a", "False");
  fencerPod("sbd-fencer-default-b", "True");
  cluster.resume("sbd-fencer-default");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.pass(1_000);
  assert.equal(cluster.fencer("req"), "sbd-fencer-default");
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  cluster.pass(LONG_MS);
  assert.deepEqual(clearsBy(), []);
  cluster.api.delete("Pod", "sbd-fencer-default-a");
  cluster.settle();
  assert.deepEqual(clearsBy(), ["worker-2"]);
});

test("pods that are ready settle when the last grant has run out", () => {
  cluster = new Cluster({ config: { fencerPlacement: "Operator" } });
  fencerPod("sbd-fencer-default-a", "True");
  cluster.resume("sbd-fencer-default");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.pass(1_000);
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  cluster.pass(SETTLE_MS - 1_000);
  assert.deepEqual(clearsBy(), []);
  cluster.pass(3_000);
  assert.deepEqual(clearsBy(), ["worker-2"]);
});

test("no other agent is left: after M the target's own clears", () => {
  cluster = named({}, 2);
  loseThenDelete();
  cluster.pass(M_MS);
  assert.deepEqual(clearsBy(), []);
  cluster.pass(1_000);
  assert.deepEqual(clearsBy(), ["worker-1"]);
});

test("a target that obeys a message, leaves or is silent clears nothing", () => {
  for (const status of [{ fenced: true }, { leaving: true }, {}]) {
    cluster = named({}, 2);
    cluster.agentReports("default-1", status);
    if (Object.keys(status).length === 0) {
      cluster.silence("worker-1");
    }
    loseThenDelete();
    cluster.pass(LONG_MS);
    assert.deepEqual(clearsBy(), []);
  }
});
