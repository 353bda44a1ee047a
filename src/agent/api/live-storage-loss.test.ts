import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { API_VERSION } from "../../api/group.ts";
import { REMEDIATION_FINALIZER } from "../../api/remediation-names.ts";
import { fieldAt } from "../../kube/kube-object.ts";
import { until } from "../../kube/testing/until.ts";
import type { VirtualNode } from "../../testing/virtual-node.ts";
import { createLiveCluster, TIMEOUT_SECONDS, type LiveCluster } from "./testing/live-cluster.ts";

const EIO = { errno: "EIO" } as const;
const WITHIN_MS = 20_000;

let cluster: LiveCluster;
let node: VirtualNode;

beforeEach(async () => {
  cluster = await createLiveCluster("SurviveWithApi");
  cluster.addSbdNode("worker-1", 1);
  node = cluster.addNode("worker-1");
  node.boot();
  await until("armed", () => status("armed") === true);
});
afterEach(async () => {
  await cluster.close();
});

function status(field: string): unknown {
  return fieldAt(cluster.server.objects.get("sbdnodes", "config-1"), "status", field);
}

function loseStorage(): void {
  cluster.faults(node).set({ read: EIO, write: EIO, sync: EIO });
}

test("without storage a node lives on the API's word, and dies when a request is against it", async () => {
  loseStorage();
  const lostMs = Date.now();
  const twiceT = lostMs + 2 * TIMEOUT_SECONDS * 1_000;
  await until("vouched for at 2 T", () => Date.parse(String(status("lastVouchTime"))) > twiceT);
  assert.deepEqual(
    node.events.filter(({ kind }) => ["sysrq", "fire", "dead"].includes(kind)),
    [],
  );
  assert.match(String(status("message")), /EIO|Input\/output/i);
  assert.ok(
    cluster.server.objects
      .list("events", "default")
      .some((event) => event["reason"] === "StorageTrouble"),
  );
  cluster.server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDRemediation",
      metadata: { name: "request", namespace: "default", finalizers: [REMEDIATION_FINALIZER] },
      spec: { nodeName: "worker-1" },
    },
  ]);
  await node.waitFor(({ kind }) => kind === "sysrq", WITHIN_MS);
});

test("without storage a node lives while each request to the API takes almost T/4", async () => {
  const server = { node: "worker-1", verbs: ["get", "patch", "list"] as const };
  cluster.server.faults.add(server, { kind: "delay", ms: 1_300 });
  loseStorage();
  const untilMs = Date.now() + 2 * TIMEOUT_SECONDS * 1_000;
  await until("vouched for at 2 T", () => Date.parse(String(status("lastVouchTime"))) > untilMs);
  assert.deepEqual(
    node.events.filter(({ kind }) => ["sysrq", "fire", "dead"].includes(kind)),
    [],
  );
});

test("without storage and without the API a node dies", async () => {
  loseStorage();
  await until("vouched for", () => status("lastVouchTime") !== undefined);
  cluster.server.faults.add(
    { node: "worker-1" },
    { kind: "partition", lost: "requests", afterwards: "cut" },
  );
  await node.waitFor(({ kind }) => kind === "sysrq", WITHIN_MS);
});

test("without storage an agent asked to go tells the API first, then releases the watchdog", async () => {
  loseStorage();
  await until("vouched for", () => status("lastVouchTime") !== undefined);
  node.setRestart("agent", "never");
  node.kill("agent", "SIGTERM");
  await node.waitFor(({ kind }) => kind === "magic", WITHIN_MS);
  assert.equal(status("leaving"), true);
  await node.waitFor(({ kind }) => kind === "exit", WITHIN_MS);
  assert.equal(status("leaving"), true);
  assert.ok(!node.events.some(({ kind }) => kind === "sysrq"));
});
