import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";

import { createCluster } from "../demo/cluster.ts";
import { runStandInControllers } from "../demo/stand-in-controllers.ts";
import { fieldAt, type KubeObject } from "../kube/kube-object.ts";
import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import type { ClusterView } from "./cluster-view.ts";
import { hindrancesOf } from "./drill-check.ts";
import { verifyReport } from "./fencing-report.ts";
import { parseQuantity } from "./quantity.ts";
import { sbdctl } from "./testing/sbdctl.ts";

const WALL_MS = Date.parse("2026-01-01T00:00:00Z");
const NOW = new Date(WALL_MS).toISOString();
const BOOT_ID = "11111111-1111-4111-8111-111111111111";

function node(name: string, changes: Record<string, unknown> = {}): KubeObject {
  return {
    metadata: { name },
    status: {
      conditions: [{ type: "Ready", status: "True" }],
      allocatable: { cpu: "2", memory: "4Gi", pods: "10" },
    },
    ...changes,
  };
}

function pod(name: string, nodeName: string, cpu: string, memory: string): KubeObject {
  return {
    metadata: { name, namespace: "default" },
    spec: { nodeName, containers: [{ resources: { requests: { cpu, memory } } }] },
    status: { phase: "Running" },
  };
}

function sbdNode(
  nodeName: string,
  nodeID: number,
  status: object,
): ClusterView["sbdNodes"][number] {
  return {
    apiVersion: "medik8s.io/v1alpha1",
    kind: "SBDNode",
    metadata: { name: `c-${nodeID}` },
    spec: { configName: "c", nodeName, nodeID },
    status: { bootID: BOOT_ID, armed: true, lastPassTime: NOW, ...status },
  };
}

const WELL: ClusterView = {
  wallMs: WALL_MS,
  configs: [],
  sbdNodes: [sbdNode("a", 1, {}), sbdNode("b", 2, {})],
  requests: [],
  nodes: [node("a"), node("b")],
  pods: [pod("db", "a", "1500m", "1Gi"), pod("web", "b", "250m", "1Gi")],
  leader: { holder: "op", renewTime: NOW },
};

function codes(changes: Partial<ClusterView>, name = "a"): string[] {
  return hindrancesOf(name, { ...WELL, ...changes }).map(({ code }) => code);
}

test("nothing hinders a fencing on a cluster that is well", () => {
  assert.deepEqual(codes({}), []);
});

test("what would hinder a fencing is named", () => {
  assert.deepEqual(codes({}, "z"), ["NO_SLOT"]);
  const bare = [sbdNode("a", 1, { armed: false }), sbdNode("b", 2, {})];
  assert.deepEqual(codes({ sbdNodes: bare }), ["UNPROTECTED"]);
  const unseen = [sbdNode("a", 1, {}), sbdNode("b", 2, { unhealthyPeers: [{ nodeID: 1 }] })];
  assert.deepEqual(codes({ sbdNodes: unseen }), ["UNSEEN"]);
  assert.deepEqual(codes({ sbdNodes: [sbdNode("a", 1, {})] }), ["UNSEEN", "NO_FENCER"]);
  assert.deepEqual(codes({ leader: null }), ["NO_LEADER"]);
  assert.deepEqual(codes({ leader: { holder: "op", renewTime: "2025-12-31T23:00:00Z" } }), [
    "NO_LEADER",
  ]);
  assert.deepEqual(codes({ nodes: null }), ["NOT_TO_BE_SEEN"]);
  const labels = { "node-role.kubernetes.io/control-plane": "" };
  const two = ["a", "b"].map((name) => node(name, { metadata: { name, labels } }));
  assert.deepEqual(codes({ nodes: two }), ["QUORUM"]);
});

test("pods need room elsewhere, counted as the scheduler counts", () => {
  assert.deepEqual(
    codes({ pods: [pod("db", "a", "1500m", "1Gi"), pod("web", "b", "750m", "1Gi")] }),
    ["NO_CAPACITY"],
  );
  assert.deepEqual(codes({ pods: [pod("db", "a", "1", "5Gi")] }), ["NO_CAPACITY"]);
  const cordoned = [node("a"), node("b", { spec: { unschedulable: true } })];
  assert.deepEqual(codes({ nodes: cordoned }), ["NO_CAPACITY"]);
  const daemon = pod("d", "a", "64", "1Gi");
  const owned = {
    ...daemon,
    metadata: { ...daemon.metadata, ownerReferences: [{ kind: "DaemonSet" }] },
  };
  assert.deepEqual(codes({ pods: [owned as unknown as KubeObject] }), []);
});

test("quantities are read as Kubernetes writes them", () => {
  const read = ["250m", "2", "1Gi", "1e3", "1.5k", "1u", "x", "1Qi", ""].map(parseQuantity);
  assert.deepEqual(read, [0.25, 2, 2 ** 30, 1_000, 1_500, 1e-6, null, null, null]);
});

test("a drill needs one node, or all of them one by one", async (context) => {
  for (const words of [["drill"], ["drill", "a", "--all"], ["drill", "--all"]]) {
    const { code, stdout } = await sbdctl(context, [...words, "-o", "json"]);
    assert.equal(code, 2, stdout);
  }
});

test("a drill on a whole cluster: the node dies for real, comes back, and its report is verified", async (context) => {
  const cluster = await createCluster("SelfFence");
  const controllers = runStandInControllers(
    cluster.kubernetes.kubeconfigs.admin,
    cluster.workload,
    {
      enabled: () => false,
    },
  );
  context.after(async () => {
    await controllers.close();
    await cluster.close();
  });
  for (const { machine } of cluster.nodes) machine.boot();
  const { objects } = cluster.kubernetes.server;
  const isSettled = (): boolean => {
    const told = objects.list("sbdnodes.medik8s.io");
    return (
      told.length === 4 &&
      told.every(
        (it) =>
          fieldAt(it, "status", "armed") === true && fieldAt(it, "status", "movingPeers") === 3,
      )
    );
  };
  while (!isSettled()) await delay(100);
  const environment = { KUBECONFIG: cluster.kubernetes.kubeconfigs.admin };
  const dry = await sbdctl(context, ["drill", "--all", "--dry-run", "-o", "json"], environment);
  assert.equal(dry.code, 0, dry.stdout);

  const directory = temporaryDirectory();
  const { bootID } = cluster.node("worker-2").machine;
  const words = ["drill", "worker-2", "--yes", "--drain", "--report-dir", directory, "-o", "json"];
  const { code, stdout, stderr } = await sbdctl(context, words, environment);
  assert.equal(code, 0, stdout + stderr);
  const [drilled] = JSON.parse(stdout).drills;
  assert.match(drilled.evidence, /^(Acknowledged|Rebooted)$/);
  assert.equal(drilled.withinBound, true);
  assert.notEqual(cluster.node("worker-2").machine.bootID, bootID);
  assert.equal(verifyReport(readFileSync(drilled.report, "utf8")).ok, true);
  const back = objects.get("nodes", "worker-2");
  assert.deepEqual(fieldAt(back, "spec", "taints") ?? [], []);
  assert.notEqual(fieldAt(back, "spec", "unschedulable"), true);
  assert.equal(objects.list("sbdremediations.medik8s.io").length, 0);
});
