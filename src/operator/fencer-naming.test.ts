import assert from "node:assert/strict";
import { test } from "node:test";

import { bootOf, Cluster, CONFIG, M_MS, rowOf } from "./scenarios/cluster.ts";

test("never the target, nor a node that is itself to be fenced, leaving, fenced or silent", () => {
  const cluster = new Cluster({ nodes: 7 });
  cluster.createRemediation("two", { nodeName: "worker-2" });
  cluster.agentReports("default-3", { leaving: true });
  cluster.agentReports("default-4", { fenced: true });
  cluster.silence("worker-5");
  cluster.api.delete("SBDNode", "default-6");
  cluster.pass(15_000);
  cluster.createRemediation("one", { nodeName: "worker-1" });
  cluster.pass(1_000);
  assert.equal(cluster.fencer("one"), "worker-7");
});

test("a node whose request has ended fences and clears again, though nobody deletes that request", () => {
  const cluster = new Cluster();
  for (const name of ["worker-2", "worker-3"]) {
    cluster.createRemediation(`old-${name}`, { nodeName: name });
    cluster.annotate(`old-${name}`, {
      "remediation.medik8s.io/nhc-timed-out": "2000-01-01T00:00:00Z",
    });
    cluster.settle();
    assert.equal(cluster.status(`old-${name}`).phase, "Failed");
  }
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.pass(1_000);
  assert.equal(cluster.fencer("req"), "worker-2");
  cluster.reportDurable("req", "worker-1");
  cluster.api.delete("SBDRemediation", "req");
  cluster.pass(1_000);
  const { slotTask } = (cluster.slotOf("worker-1")?.status ?? {}) as {
    slotTask?: { agent: string };
  };
  assert.equal(slotTask?.agent, "worker-2");
});

test("a fencer that reports stays named; one that falls silent is replaced", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.pass(5 * M_MS);
  assert.equal(cluster.fencer("req"), "worker-2");
  cluster.silence("worker-2");
  cluster.pass(14_000);
  assert.equal(cluster.fencer("req"), "worker-2");
  cluster.pass(2_000);
  assert.equal(cluster.fencer("req"), "worker-3");
});

test("in quiet an agent reports every 30 s, and is as well as before in between", () => {
  const cluster = new Cluster({ nodes: 2 });
  for (let second = 0; second < 3 * 35; second += 1) {
    cluster.pass(1_000);
    cluster.silence("worker-1");
    if (second % 35 === 34) cluster.resume("worker-1");
    assert.equal(readyOf(cluster), "True", `${second} s`);
  }
  cluster.silence("worker-1");
  cluster.pass(40_000);
  assert.equal(readyOf(cluster), "False");
});

test("one that fell silent in quiet is not named while another has just reported, and is missed 15 s after a request", () => {
  const cluster = new Cluster({ nodes: 4 });
  cluster.silence("worker-2");
  cluster.pass(20_000);
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.fencer("req"), "worker-3");
  assert.match(condition(cluster, "Ready").message, /^4 of 4/);
  cluster.pass(16_000);
  assert.match(condition(cluster, "Ready").message, /^3 of 4/);
});

test("where every other may be silent one is named all the same, and replaced 15 s after the request", () => {
  const cluster = new Cluster({ nodes: 3 });
  for (const name of ["worker-2", "worker-3"]) cluster.silence(name);
  cluster.pass(20_000);
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.fencer("req"), "worker-2");
  cluster.resume("worker-3");
  cluster.pass(14_000);
  assert.equal(cluster.fencer("req"), "worker-2");
  cluster.pass(2_000);
  assert.equal(cluster.fencer("req"), "worker-3");
});

test("one that a peer misses is named last, and missed 15 s later whoever asks", () => {
  const cluster = new Cluster({ nodes: 4 });
  cluster.silence("worker-2");
  cluster.pass(5_000);
  const unhealthyPeers = [{ nodeID: 2, nodeName: "worker-2" }];
  cluster.agentReports("default-4", { unhealthyPeers });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.fencer("req"), "worker-3");
  cluster.api.delete("SBDRemediation", "req");
  cluster.pass(14_000);
  assert.match(condition(cluster, "Ready").message, /^4 of 4/);
  cluster.pass(2_000);
  assert.match(condition(cluster, "Ready").message, /^3 of 4/);
});

test("a fencer whose agent lives but whose fencing stands still for 30 s is replaced", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  const stallMs = 31_000;
  for (const endMs = cluster.nowMs + stallMs; cluster.nowMs < endMs;) {
    assert.equal(cluster.fencer("req"), "worker-2");
    cluster.nowMs += 1_000;
    for (const slot of ["default-2", "default-3"]) {
      cluster.agentReports(slot, { lastPassTime: new Date(cluster.nowMs).toISOString() });
    }
    cluster.settle();
  }
  assert.equal(cluster.fencer("req"), "worker-3");
});

test("a new fencer takes over nothing the one before it said but the epoch", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1", { epoch: 7, missing: ["a witness"], reason: "slow" });
  cluster.settle();
  cluster.silence("worker-2");
  cluster.pass(16_000);
  const { fencing } = cluster.status("req");
  assert.deepEqual(
    { agent: fencing?.agent, state: fencing?.state, epoch: fencing?.epoch },
    { agent: "worker-3", state: "Waiting", epoch: 7 },
  );
  for (const field of ["bootID", "machineID", "messageDurableTime", "missing", "reason"]) {
    assert.equal(Object.hasOwn(fencing ?? {}, field), false, field);
  }
});

test("one agent cannot write: the next is tried, and when all have been it has failed", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.fencerReports("req", { state: "Failed", reason: "the fence message cannot be written" });
  cluster.settle();
  assert.equal(cluster.fencer("req"), "worker-3");
  assert.equal(cluster.status("req").fencing?.state, "Waiting");
  cluster.fencerReports("req", { state: "Failed", reason: "the fence message cannot be written" });
  cluster.settle();
  assert.equal(cluster.status("req").phase, "Failed");
  assert.equal(
    cluster.status("req").message,
    "every agent was tried: the fence message cannot be written",
  );
});

test("a spent agent is not named again", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.fencerReports("req", { state: "Failed", reason: "EIO" });
  cluster.settle();
  cluster.silence("worker-3");
  cluster.pass(16_000);
  assert.equal(cluster.fencer("req"), "worker-3");
  assert.equal(rowOf(cluster.status("req"))[3], "Succeeded Unknown RemediationStarted");
});

test("nobody to name: said, and failed at M", () => {
  const cluster = new Cluster({ nodes: 1 });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.match(cluster.status("req").message ?? "", /waiting for a healthy agent other than/);
  cluster.pass(M_MS - 1_000);
  assert.equal(cluster.status("req").phase, "Pending");
  cluster.pass(1_000);
  assert.equal(cluster.status("req").phase, "Failed");
});

test("every agent falls silent after the message is durable: it waits, and goes on with the fencer", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.settle();
  cluster.silence("worker-2");
  cluster.silence("worker-3");
  cluster.pass(5 * M_MS);
  assert.equal(cluster.status("req").phase, "FencingInProgress");
  assert.match(
    cluster.status("req").message ?? "",
    /waiting for a healthy agent other than the target to go on/,
  );
  cluster.resume("worker-2");
  cluster.pass(2_000);
  assert.equal(cluster.fencer("req"), "worker-2");
  assert.equal(cluster.status("req").message, "");
});

for (const { nodes, most } of [
  { nodes: 2, most: 1 },
  { nodes: 3, most: 1 },
  { nodes: 4, most: 1 },
  { nodes: 5, most: 2 },
  { nodes: 6, most: 2 },
  { nodes: 7, most: 3 },
]) {
  test(`of ${nodes} nodes at most ${most} are fenced at once, also when all are asked for in one look`, () => {
    const cluster = new Cluster({ nodes });
    const names = Array.from({ length: nodes - 1 }, (_, index) => `worker-${index + 1}`);
    for (const name of names) {
      cluster.createRemediation(name);
    }
    cluster.settle();
    const named = names.filter((name) => cluster.fencer(name) !== "");
    assert.equal(named.length, most);
    const waiting = names.find((name) => cluster.fencer(name) === "");
    if (waiting !== undefined) {
      assert.match(cluster.status(waiting).message ?? "", /maxConcurrentFencing/);
    }
  });
}

test("a place that is free again goes to one that waits", () => {
  const cluster = new Cluster({ nodes: 5, config: { maxConcurrentFencing: 1 } });
  cluster.createRemediation("worker-1");
  cluster.createRemediation("worker-2");
  cluster.settle();
  assert.deepEqual([cluster.fencer("worker-1"), cluster.fencer("worker-2")], ["worker-3", ""]);
  cluster.reportProven("worker-1", "worker-1");
  cluster.settle();
  assert.equal(cluster.fencer("worker-2"), "worker-3");
});

test("a message that has been durable for M holds no place, and one that is newer does", () => {
  const cluster = new Cluster({ nodes: 4 });
  cluster.createRemediation("one", { nodeName: "worker-1" });
  cluster.pass(1_000);
  cluster.createRemediation("two", { nodeName: "worker-4" });
  cluster.pass(3 * M_MS);
  assert.deepEqual([cluster.fencer("one"), cluster.fencer("two")], ["worker-2", ""]);
  cluster.reportDurable("one", "worker-1", { missing: ["the kubelet has told another boot"] });
  cluster.pass(M_MS);
  assert.equal(cluster.fencer("two"), "");
  // Addressed anew: this one has yet to kill.
  cluster.reportDurable("one", "worker-1", { epoch: 2, bootID: bootOf("worker-1", 2) });
  cluster.pass(M_MS + 1_000);
  assert.equal(cluster.fencer("two"), "");
  cluster.pass(1_000);
  assert.notEqual(cluster.fencer("two"), "");
  assert.equal(cluster.status("one").phase, "FencingInProgress");
  assert.notEqual(cluster.fencer("one"), "");
});

test("a message holds its place for the M that its fencer counts by, where that is longer", () => {
  const cluster = new Cluster({ nodes: 4 });
  cluster.createRemediation("one", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("one", "worker-1", { boundSeconds: (2 * M_MS) / 1_000 });
  cluster.settle();
  cluster.createRemediation("two", { nodeName: "worker-4" });
  cluster.pass(2 * M_MS);
  assert.equal(cluster.fencer("two"), "");
  cluster.pass(1_000);
  assert.notEqual(cluster.fencer("two"), "");
});

test("one whose fencer has to be replaced holds a place again, until the message is reported anew", () => {
  const cluster = new Cluster({ nodes: 6, config: { maxConcurrentFencing: 1 } });
  cluster.createRemediation("one", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("one", "worker-1");
  cluster.pass(M_MS + 1_000);
  cluster.silence("worker-2");
  cluster.pass(16_000);
  assert.equal(cluster.fencer("one"), "worker-3");
  cluster.createRemediation("two", { nodeName: "worker-4" });
  cluster.pass(5_000);
  assert.equal(cluster.fencer("two"), "");
  cluster.reportDurable("one", "worker-1");
  cluster.pass(1_000);
  assert.notEqual(cluster.fencer("two"), "");
});

test("a further request for a node whose message holds no place needs none either", () => {
  const cluster = new Cluster({ nodes: 6, config: { maxConcurrentFencing: 1 } });
  cluster.createRemediation("one", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("one", "worker-1");
  cluster.pass(M_MS + 1_000);
  cluster.createRemediation("two", { nodeName: "worker-4" });
  cluster.pass(1_000);
  cluster.createRemediation("again", { nodeName: "worker-1" });
  cluster.pass(1_000);
  assert.notEqual(cluster.fencer("two"), "");
  assert.notEqual(cluster.fencer("again"), "");
});

test("a second request for a node that is being fenced needs no place of its own", () => {
  const cluster = new Cluster({ nodes: 3 });
  cluster.createRemediation("one", { nodeName: "worker-1" });
  cluster.createRemediation("two", { nodeName: "worker-1" });
  cluster.settle();
  assert.deepEqual([cluster.fencer("one"), cluster.fencer("two")], ["worker-2", "worker-2"]);
});

test("a device's places are its own", () => {
  const cluster = new Cluster({ nodes: 3, config: { nodeSelector: { rack: "a" } } });
  cluster.api.create(
    "SBDConfig",
    { name: "b" },
    {
      spec: {
        sbdDevicePVCName: "b",
        sbdTimeoutSeconds: 10,
        sbdWatchdogPath: "/dev/watchdog",
        nodeSelector: { rack: "b" },
      },
    },
  );
  for (const name of ["worker-11", "worker-12", "worker-13"]) {
    cluster.addNode(name, { rack: "a" });
    cluster.resume(name);
  }
  for (const name of ["worker-21", "worker-22", "worker-23"]) {
    cluster.addNode(name, { rack: "b" });
    cluster.resume(name);
  }
  cluster.pass(2_000);
  cluster.createRemediation("worker-11");
  cluster.createRemediation("worker-21");
  cluster.settle();
  assert.deepEqual(
    [cluster.fencer("worker-11"), cluster.fencer("worker-21")],
    ["worker-12", "worker-22"],
  );
});

test("with Operator placement nobody is named before the Deployment's fencer is at work", () => {
  const cluster = new Cluster({ config: { fencerPlacement: "Operator" } });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.pass(3_000);
  assert.equal(cluster.fencer("req"), "");
  assert.match(
    cluster.status("req").message ?? "",
    /waiting for a fencer of Deployment sbd-fencer-default to fence it/,
  );
  cluster.resume("sbd-fencer-default");
  cluster.pass(1_000);
  assert.equal(cluster.fencer("req"), "sbd-fencer-default");
});

test("a Lease that nobody renews, or that was released, is no fencer at work", () => {
  const cluster = new Cluster({ config: { fencerPlacement: "Operator" } });
  cluster.resume("sbd-fencer-default");
  cluster.pass(2_000);
  const ready = (): string => configReady(cluster);
  assert.equal(ready(), "True AllNodesArmed");
  cluster.silence("sbd-fencer-default");
  cluster.pass(14_000);
  assert.equal(ready(), "True AllNodesArmed");
  cluster.pass(3_000);
  assert.equal(ready(), "False NoFencer");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.fencer("req"), "");
  cluster.resume("sbd-fencer-default");
  cluster.pass(1_000);
  assert.equal(ready(), "True AllNodesArmed");
  cluster.silence("sbd-fencer-default");
  cluster.api.change("Lease", "sbd-fencer-default", (lease) => {
    lease.spec = { holderIdentity: "", renewTime: "2000-01-01T00:00:01Z" };
  });
  cluster.settle();
  assert.equal(ready(), "False NoFencer");
});

test("a change of placement hands open requests over once the new fencer is there", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.pass(1_000);
  assert.equal(cluster.fencer("req"), "worker-2");
  const place = (fencerPlacement: string): void =>
    cluster.api.change("SBDConfig", "default", (config) => {
      config.spec = { ...(config.spec as object), fencerPlacement };
    });
  place("Operator");
  cluster.pass(2_000);
  assert.equal(cluster.fencer("req"), "worker-2");
  cluster.resume("sbd-fencer-default");
  cluster.pass(1_000);
  assert.equal(cluster.fencer("req"), "sbd-fencer-default");
  place("Agent");
  cluster.pass(1_000);
  assert.equal(cluster.fencer("req"), "worker-3");
});

function configReady(cluster: Cluster): string {
  const { conditions = [] } = (cluster.api.get("SBDConfig", "default")?.status ?? {}) as {
    conditions?: { type: string; status: string; reason: string }[];
  };
  const ready = conditions.find(({ type }) => type === "Ready");
  return `${ready?.status ?? ""} ${ready?.reason ?? ""}`;
}

test("with Operator placement the Deployment of the config is named, and its failure is final", () => {
  const cluster = new Cluster({ config: { fencerPlacement: "Operator" } });
  cluster.resume("sbd-fencer-default");
  cluster.beat();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.fencer("req"), "sbd-fencer-default");
  cluster.fencerReports("req", { state: "Failed", reason: "EIO" });
  cluster.settle();
  assert.equal(cluster.status("req").phase, "Failed");
  assert.match(cluster.status("req").message ?? "", /EIO/);
});

test("a new leader names nobody else while the fencer reports", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.pass(5_000);
  const next = cluster.newLeader();
  cluster.pass(20_000, next);
  assert.equal(cluster.fencer("req"), "worker-2");
});

type ConfigCondition = { readonly type: string; readonly status: string; readonly message: string };

function condition(cluster: Cluster, type: string): ConfigCondition {
  const status = cluster.api.get("SBDConfig", CONFIG)?.status as
    | { readonly conditions?: readonly ConfigCondition[] }
    | undefined;
  const found = status?.conditions?.find((each) => each.type === type);
  assert.ok(found);
  return found;
}

function readyOf(cluster: Cluster): string {
  return condition(cluster, "Ready").status;
}
