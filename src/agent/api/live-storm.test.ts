/**
 * A storm of requests on real agents, a real operator and a slow API server: fifty requests for one node
 * and fifty for nodes that do not exist, all at once.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { API_VERSION, SYSTEM_NAMESPACE } from "../../api/group.ts";
import { fieldAt, listAt, textAt, type KubeObject } from "../../kube/kube-object.ts";
import { until } from "../../kube/testing/until.ts";
import type { VirtualNode } from "../../testing/virtual-node.ts";
import { createLiveCluster, type LiveCluster } from "./testing/live-cluster.ts";

const EACH = 50;
const ANSWERED_WITHIN_MS = 120_000;
const SLOW_MS = 200;

let cluster: LiveCluster;

beforeEach(async () => {
  cluster = await createLiveCluster("SelfFence");
});
afterEach(async () => {
  await cluster.close();
});

/** The kubelet's word, and the node controller's. */
function showNode(name: string, bootID: string, ready: "True" | "Unknown"): void {
  cluster.server.objects.change("nodes", name, (node) => ({
    ...node,
    status: {
      nodeInfo: { bootID },
      conditions: [{ type: "Ready", status: ready, reason: "", message: "" }],
    },
  }));
}

function addWorker(name: string, deaths: string[]): VirtualNode {
  const node = cluster.addNode(name);
  node.on((event) => {
    if (event.kind === "boot") showNode(name, event.bootID, "True");
    if (event.kind === "dead") {
      showNode(name, event.bootID, "Unknown");
      if (event.cause !== "power") deaths.push(`${name} in boot ${event.bootID}`);
    }
  });
  node.boot();
  return node;
}

function condition(request: KubeObject, type: string): string {
  const found = listAt(request, "status", "conditions").find((one) => textAt(one, "type") === type);
  return textAt(found, "status");
}

test("fifty requests for a node are proven, and fifty for nodes that do not exist are answered", async () => {
  const { server } = cluster;
  const deaths: string[] = [];
  for (const name of ["worker-1", "worker-2", "worker-3"]) addWorker(name, deaths);
  cluster.startProgram("sbd-operator-a", {
    word: "operator",
    token: server.tokenFor(SYSTEM_NAMESPACE, "sbd-operator"),
    environment: { POD_NAME: "sbd-operator-a", SBD_METRICS_PORT: "0", SBD_LEASE_SECONDS: "4" },
  });
  const armed = (): number =>
    server.objects
      .list("sbdnodes.medik8s.io")
      .filter((slot) => fieldAt(slot, "status", "armed") === true).length;
  await until("three nodes are armed", () => armed() === 3);
  server.faults.add({}, { kind: "delay", ms: SLOW_MS });
  server.objects.load(
    Array.from({ length: EACH }, (_, n) => [
      request(`storm-${n}`, "worker-1"),
      request(`nowhere-${n}`, `gone-${n}`),
    ]).flat(),
  );
  const startedMs = performance.now();
  const list = (): readonly KubeObject[] => server.objects.list("sbdremediations.medik8s.io");
  const count = (prefix: string, type: string, status: string): number =>
    list().filter(
      (one) => (one.metadata.name ?? "").startsWith(prefix) && condition(one, type) === status,
    ).length;
  const isDone = (): boolean =>
    count("storm-", "FencingSucceeded", "True") === EACH &&
    count("nowhere-", "Succeeded", "False") === EACH;
  while (!isDone() && performance.now() - startedMs < ANSWERED_WITHIN_MS) await delay(100);
  const tookMs = Math.round(performance.now() - startedMs);
  const said = {
    tookMs,
    proven: count("storm-", "FencingSucceeded", "True"),
    notFound: count("nowhere-", "Succeeded", "False"),
    unproven: list()
      .filter(
        (one) =>
          (one.metadata.name ?? "").startsWith("storm-") &&
          condition(one, "FencingSucceeded") !== "True",
      )
      .slice(0, 3)
      .map((one) => one["status"]),
  };
  console.log(JSON.stringify(said));
  assert.ok(isDone(), JSON.stringify(said));
  const fencers = new Set(
    list()
      .map((one) => textAt(one, "status", "fencing", "agent"))
      .filter((name) => name !== ""),
  );
  assert.equal(fencers.size, 1, `one fencer does it: ${[...fencers].join(", ")}`);
  assert.equal(
    deaths.length,
    1,
    `the boot that was asked for dies, and no other: ${deaths.join(", ")}`,
  );
});

function request(name: string, nodeName: string): unknown {
  return {
    apiVersion: API_VERSION,
    kind: "SBDRemediation",
    metadata: { name, namespace: "default" },
    spec: { nodeName },
  };
}
