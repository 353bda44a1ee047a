import assert from "node:assert/strict";
import { test } from "node:test";

import { wallAt } from "./scenarios/leader.ts";
import { Cluster, M_MS, QUIET_SILENCE_MS } from "./scenarios/cluster.ts";

function slots(cluster: Cluster): Readonly<Record<string, string>> {
  return Object.fromEntries(
    cluster.api
      .list("SBDNode")
      .map(({ metadata, spec }) => [metadata.name, (spec as { nodeName: string }).nodeName]),
  );
}

function attestStill(cluster: Cluster, witness: string, nodeID: number, stillMs: number): void {
  cluster.agentReports(witness, {
    staleSlots: [
      { nodeID, content: "Heartbeat", stillSeconds: stillMs / 1_000, time: wallAt(cluster.nowMs) },
    ],
  });
}

function confirmCleared(cluster: Cluster, witness: string, name: string): void {
  const uid = cluster.api.get("SBDNode", name)?.metadata.uid ?? "";
  cluster.agentReports(witness, {
    slotTaskResults: [{ id: `free-${uid}`, nodeID: 1, state: "Done", time: wallAt(cluster.nowMs) }],
  });
}

test("every covered node gets the lowest free slot, with our finalizer and the config as owner", () => {
  const cluster = new Cluster();
  assert.deepEqual(slots(cluster), {
    "default-1": "worker-1",
    "default-2": "worker-2",
    "default-3": "worker-3",
  });
  const metadata = cluster.api.get("SBDNode", "default-1")?.metadata;
  assert.deepEqual(metadata?.finalizers, ["medik8s.io/sbd-node"]);
  assert.equal(
    metadata.ownerReferences?.[0]?.uid,
    cluster.api.get("SBDConfig", "default")?.metadata.uid,
  );
});

test("not Linux, excluded, or outside the selector: no slot", () => {
  const cluster = new Cluster({
    nodes: 0,
    config: { nodeSelector: { rack: "a" }, nodeExclusionList: ["worker-3"] },
  });
  cluster.addNode("worker-1", { rack: "a" });
  cluster.addNode("worker-2", { rack: "b" });
  cluster.addNode("worker-3", { rack: "a" });
  cluster.addNode("worker-4", { rack: "a", "kubernetes.io/os": "windows" });
  cluster.settle();
  assert.deepEqual(slots(cluster), { "default-1": "worker-1" });
});

test("slots in which a Go agent beats are skipped", () => {
  const cluster = new Cluster({ nodes: 1 });
  cluster.agentReports("default-1", {
    staleSlots: [
      { nodeID: 2, content: "GoHeartbeat", stillSeconds: 0, time: wallAt(0) },
      { nodeID: 3, content: "Heartbeat", stillSeconds: 0, time: wallAt(0) },
      { nodeID: 4, content: "GoHeartbeat", stillSeconds: 900, time: wallAt(0) },
    ],
  });
  cluster.addNode("worker-7");
  cluster.addNode("worker-8");
  cluster.settle();
  assert.deepEqual(slots(cluster), {
    "default-1": "worker-1",
    "default-3": "worker-7",
    "default-5": "worker-8",
  });
});

test("255 nodes get 255 slots and the next one none", () => {
  const cluster = new Cluster({ nodes: 0 });
  for (let number = 1; number <= 256; number += 1) {
    cluster.addNode(`worker-${number}`);
  }
  for (let settled = 0; settled < 2; settled += 1) {
    for (let round = 0; round < 10; round += 1) {
      cluster.round();
    }
  }
  const given = cluster.api.list("SBDNode").map(({ spec }) => spec as { nodeID: number });
  assert.deepEqual(
    given.map(({ nodeID }) => nodeID).toSorted((a, b) => a - b),
    Array.from({ length: 255 }, (_, index) => index + 1),
  );
  const config = cluster.api.get("SBDConfig", "default")?.status as { nodes: number };
  assert.equal(config.nodes, 256);
});

test("two leaders that give the same slot: one wins, the other gives the next", () => {
  const cluster = new Cluster({ nodes: 1 });
  cluster.addNode("worker-2");
  const older = cluster.api.snapshot();
  cluster.addNode("worker-0");
  const newer = cluster.api.snapshot();
  const other = cluster.newLeader();
  other.look(older, cluster.nowMs);
  other.write(cluster.nowMs);
  cluster.leader.look(newer, cluster.nowMs);
  cluster.leader.write(cluster.nowMs);
  cluster.settle();
  cluster.settle(other);
  const live = Object.values(slots(cluster)).toSorted();
  assert.deepEqual(live, ["worker-0", "worker-1", "worker-2"]);
});

test("the higher of two slots for one node is removed, and is free once it stood still for M", () => {
  const cluster = new Cluster();
  cluster.api.create(
    "SBDNode",
    { name: "default-8", finalizers: ["medik8s.io/sbd-node"] },
    { spec: { configName: "default", nodeName: "worker-2", nodeID: 8 } },
  );
  cluster.settle();
  assert.notEqual(cluster.api.get("SBDNode", "default-8")?.metadata.deletionTimestamp, undefined);
  assert.equal(cluster.api.get("SBDNode", "default-2")?.metadata.deletionTimestamp, undefined);
  attestStill(cluster, "default-1", 8, M_MS);
  cluster.pass(1_000);
  confirmCleared(cluster, "default-1", "default-8");
  cluster.settle();
  assert.equal(cluster.api.get("SBDNode", "default-8"), null);
});

test("a node is gone: its slot is free after silence for M and a cleared message, not before", () => {
  const cluster = new Cluster();
  cluster.silence("worker-1");
  cluster.api.delete("Node", "worker-1");
  cluster.pass(1_000);
  assert.notEqual(cluster.api.get("SBDNode", "default-1")?.metadata.deletionTimestamp, undefined);
  cluster.pass(10 * M_MS);
  attestStill(cluster, "default-2", 1, M_MS - 1);
  cluster.settle();
  attestStill(cluster, "default-2", 2, M_MS);
  cluster.settle();
  cluster.takeTrace();
  attestStill(cluster, "default-2", 1, M_MS);
  cluster.settle();
  assert.deepEqual(
    cluster.takeTrace().filter((line) => line.startsWith("task")),
    ["task default-1 Clear by worker-2"],
  );
  assert.notEqual(cluster.api.get("SBDNode", "default-1"), null);
  cluster.addNode("worker-9");
  cluster.settle();
  assert.equal(slots(cluster)["default-4"], "worker-9");
  confirmCleared(cluster, "default-2", "default-1");
  cluster.settle();
  assert.equal(cluster.api.get("SBDNode", "default-1"), null);
  cluster.addNode("worker-10");
  cluster.settle();
  assert.equal(slots(cluster)["default-1"], "worker-10");
});

test("a Node registered again by the boot that beats keeps its slot until it shows another boot", () => {
  const cluster = new Cluster();
  const { bootID } = cluster.node("worker-1").status?.nodeInfo ?? {};
  cluster.agentReports("default-1", { bootID });
  cluster.api.delete("Node", "worker-1");
  cluster.pass(1_000);
  cluster.addNode("worker-1");
  cluster.silence("worker-1");
  const standsStill = (): void => {
    attestStill(cluster, "default-2", 1, 9 * M_MS);
    cluster.settle();
    confirmCleared(cluster, "default-2", "default-1");
    cluster.settle();
  };
  standsStill();
  const condemned = cluster.api.get("SBDNode", "default-1")?.metadata;
  assert.notEqual(condemned?.deletionTimestamp, undefined);
  cluster.reboot("worker-1", 2);
  standsStill();
  const given = cluster.api.get("SBDNode", "default-1")?.metadata;
  assert.equal(given?.deletionTimestamp, undefined);
  assert.notEqual(given?.uid, condemned?.uid);
});

test("where every Node was registered again by the boot that beats, agents fence, attest and are missed as before", () => {
  const cluster = new Cluster();
  for (const name of ["worker-1", "worker-2", "worker-3"]) {
    const slot = cluster.slotOf(name)?.metadata.name ?? "";
    cluster.agentReports(slot, { bootID: cluster.node(name).status?.nodeInfo?.bootID });
    cluster.api.delete("Node", name);
    cluster.pass(1_000);
    cluster.addNode(name);
    cluster.pass(1_000);
    assert.notEqual(cluster.slotOf(name)?.metadata.deletionTimestamp, undefined);
  }
  cluster.silence("worker-1");
  for (const witness of ["default-2", "default-3"]) {
    cluster.agentReports(witness, {
      unhealthyPeers: [{ nodeID: 1, since: wallAt(cluster.nowMs) }],
    });
  }
  cluster.pass(15_000);
  const conditions = cluster.node("worker-1").status?.conditions ?? [];
  assert.equal(conditions.find(({ type }) => type === "SBDStorageUnhealthy")?.status, "True");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.pass(1_000);
  assert.equal(cluster.fencer("req"), "worker-2");
});

test("an agent attests nothing about its own slot, and a silent agent nothing at all", () => {
  const cluster = new Cluster();
  cluster.api.delete("Node", "worker-1");
  attestStill(cluster, "default-1", 1, M_MS);
  cluster.pass(1_000);
  attestStill(cluster, "default-2", 1, M_MS);
  cluster.silence("worker-2");
  cluster.nowMs += 60_000;
  cluster.settle();
  assert.equal(
    cluster.takeTrace().some((line) => line.startsWith("task default-1")),
    false,
  );
});

test("the younger of two configs that cover one node loses it, and says so", () => {
  const cluster = new Cluster();
  cluster.nowMs += 1_000;
  cluster.api.create(
    "SBDConfig",
    { name: "a-younger" },
    {
      spec: { sbdDevicePVCName: "b", sbdTimeoutSeconds: 10, sbdWatchdogPath: "/dev/watchdog" },
    },
  );
  cluster.addNode("worker-4");
  cluster.settle();
  assert.deepEqual(Object.keys(slots(cluster)), [
    "default-1",
    "default-2",
    "default-3",
    "default-4",
  ]);
  const status = cluster.api.get("SBDConfig", "a-younger")?.status as {
    conditions: { type: string; status: string; reason: string; message: string }[];
  };
  const ready = status.conditions.find(({ type }) => type === "Ready");
  assert.deepEqual([ready?.status, ready?.reason], ["False", "NodesOfOtherConfig"]);
  assert.match(
    ready?.message ?? "",
    /4 node\(s\) belong to an older SBDConfig: worker-1, worker-2/,
  );
});

test("a node that changes its config keeps one slot: the old one goes first, after a clean leave", () => {
  const cluster = new Cluster({ nodes: 0, config: { nodeSelector: { rack: "a" } } });
  for (const name of ["worker-1", "worker-2"]) {
    cluster.addNode(name, { rack: "a" });
    cluster.resume(name);
  }
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
  cluster.pass(2_000);
  cluster.api.change("Node", "worker-1", ({ metadata }) => {
    metadata.labels = { "kubernetes.io/os": "linux", rack: "b" };
  });
  cluster.pass(60_000);
  assert.deepEqual(slots(cluster), { "default-1": "worker-1", "default-2": "worker-2" });
  cluster.agentReports("default-1", { leaving: true });
  cluster.silence("worker-1");
  cluster.pass(20_000);
  assert.notEqual(cluster.api.get("SBDNode", "default-1")?.metadata.deletionTimestamp, undefined);
  attestStill(cluster, "default-2", 1, M_MS);
  cluster.settle();
  confirmCleared(cluster, "default-2", "default-1");
  cluster.settle();
  assert.deepEqual(slots(cluster), { "default-2": "worker-2", "b-1": "worker-1" });
});

/** Somebody takes its finalizer off, and nothing waits for what was made for it. */
function tearAway(cluster: Cluster): void {
  cluster.api.change("SBDConfig", "default", ({ metadata }) => {
    metadata.finalizers = [];
  });
  cluster.api.delete("SBDConfig", "default");
}

test("a config is torn away: its SBDNodes go once their agents are silent", () => {
  const cluster = new Cluster();
  tearAway(cluster);
  for (const { metadata } of cluster.api.list("SBDNode")) {
    cluster.api.delete("SBDNode", metadata.name);
  }
  cluster.silence("worker-2");
  cluster.pass(QUIET_SILENCE_MS - 2_000);
  assert.equal(Object.keys(slots(cluster)).length, 3);
  cluster.pass(2_000);
  assert.deepEqual(Object.keys(slots(cluster)), ["default-1", "default-3"]);
});

test("a config torn away and created anew gets its slots when the old ones are gone", () => {
  const cluster = new Cluster();
  tearAway(cluster);
  cluster.api.create(
    "SBDConfig",
    { name: "default" },
    {
      spec: { sbdDevicePVCName: "new", sbdTimeoutSeconds: 30, sbdWatchdogPath: "/dev/watchdog" },
    },
  );
  const oldUIDs = new Set(cluster.api.list("SBDNode").map(({ metadata }) => metadata.uid));
  for (const { metadata } of cluster.api.list("SBDNode")) {
    cluster.api.delete("SBDNode", metadata.name);
  }
  for (const name of ["worker-1", "worker-2", "worker-3"]) {
    cluster.silence(name);
  }
  cluster.pass(QUIET_SILENCE_MS);
  assert.deepEqual(Object.keys(slots(cluster)), ["default-1", "default-2", "default-3"]);
  for (const { metadata } of cluster.api.list("SBDNode")) {
    assert.equal(oldUIDs.has(metadata.uid), false);
  }
});

test("no slots and no agents for a config that is being deleted", () => {
  const cluster = new Cluster({ nodes: 1 });
  cluster.api.change("SBDConfig", "default", ({ metadata }) => {
    metadata.finalizers = ["their/finalizer"];
  });
  cluster.api.delete("SBDConfig", "default");
  cluster.addNode("worker-2");
  cluster.settle();
  assert.deepEqual(Object.keys(slots(cluster)), ["default-1"]);
});
