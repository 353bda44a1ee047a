import assert from "node:assert/strict";
import fs from "node:fs";
import { afterEach, beforeEach, test } from "node:test";

import { API_VERSION, SYSTEM_NAMESPACE } from "../../api/group.ts";
import { REMEDIATION_FINALIZER, REMEDIATION_TAINT_KEY } from "../../api/remediation-names.ts";
import { SBD_NODE } from "../../api/sbd-node.ts";
import { SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import { fieldAt, listAt, textAt } from "../../kube/kube-object.ts";
import {
  NODES,
  resourceTypeOf,
  type ObjectRef,
  type ResourceType,
} from "../../kube/resource-type.ts";
import { embeddedClient } from "../../kube/testing/embedded-client.ts";
import { until } from "../../kube/testing/until.ts";
import { judgeGrounds, readGrounds } from "../../fencing/proof-record.ts";
import { unpackRecord } from "../../fencing/shell/packed-record.ts";
import { patchObject } from "../../kube/write-objects.ts";
import type { VirtualNode } from "../../testing/virtual-node.ts";
import { createLiveCluster, type LiveCluster } from "./testing/live-cluster.ts";

const SBD_NODES = resourceTypeOf(SBD_NODE);
const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);

let cluster: LiveCluster;

beforeEach(async () => {
  cluster = await createLiveCluster();
});
afterEach(async () => {
  await cluster.close();
});

function status(name: string, ...path: string[]): unknown {
  return fieldAt(cluster.server.objects.get("sbdnodes", name), "status", ...path);
}

function logged(node: VirtualNode, pattern: RegExp): string | undefined {
  return cluster.log(node).findLast(({ msg }) => pattern.test(msg))?.msg;
}

async function untilArmed(node: VirtualNode, sbdNode: string): Promise<void> {
  try {
    await until(`${sbdNode} armed`, () => status(sbdNode, "armed") === true);
  } catch (error) {
    const lines = cluster.log(node).map((line) => JSON.stringify(line));
    throw new Error(`${String(error)}\n${lines.join("\n")}`, { cause: error });
  }
}

function apiProcessOf(node: VirtualNode): number {
  const last = logged(node, /the API process runs as \d+/);
  return Number(last?.match(/\d+$/)?.[0]);
}

async function metrics(node: VirtualNode): Promise<string> {
  await until("metrics served", () => logged(node, /serving \/metrics/) !== undefined);
  const port = logged(node, /serving \/metrics/)?.match(/\d+$/)?.[0];
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  return await response.text();
}

test("an agent without a slot waits unarmed, takes its SBDNode's, arms, and reports itself", async () => {
  const node = cluster.addNode("worker-1");
  node.boot();
  await until("it waits", () => logged(node, /no SBDNode names this node/) !== undefined);
  assert.ok(!node.events.some(({ kind }) => kind === "open"));
  cluster.addSbdNode("worker-1", 7);
  await untilArmed(node, "config-7");
  assert.equal(status("config-7", "bootID"), node.bootID);
  assert.equal(status("config-7", "machineID"), node.machineID);
  assert.equal(status("config-7", "leaving"), false);
  assert.equal(textAt(status("config-7", "watchdog"), "identity"), "i6300ESB timer");
  assert.equal(fieldAt(status("config-7", "watchdog"), "verified"), true);
  const text = await metrics(node);
  for (const line of [
    /^sbd_agent_status_healthy 1$/m,
    /^sbd_device_io_errors_total 0$/m,
    /^sbd_watchdog_pets_total [1-9]\d*$/m,
    /^sbd_self_fenced_total 0$/m,
    /^sbd_watchdog_armed 1$/m,
    /^sbd_timeout_seconds 6$/m,
    /^sbd_pass_latency_seconds \d+\.\d+$/m,
  ]) {
    assert.match(text, line);
  }
});

test("an API outage and a killed API process go by without the node noticing", async () => {
  cluster.addSbdNode("worker-1", 7);
  const node = cluster.addNode("worker-1");
  node.boot();
  await untilArmed(node, "config-7");
  await cluster.server.goAway();
  const first = apiProcessOf(node);
  assert.match(fs.readFileSync(`/proc/${first}/oom_score_adj`, "utf8"), /^900$/m);
  process.kill(first, "SIGKILL");
  await until("another API process", () => apiProcessOf(node) !== first);
  const before = status("config-7", "lastPassTime");
  await until(
    "it is connected",
    () =>
      cluster.log(node).filter(({ msg }) => msg === "the API process is connected").length === 2,
  );
  await cluster.server.comeBack();
  await until("it reports", () => status("config-7", "lastPassTime") !== before);
  assert.equal(status("config-7", "armed"), true);
  assert.deepEqual(
    node.events.filter(({ kind }) => ["exit", "fire", "sysrq", "dead", "close"].includes(kind)),
    [],
  );
});

test("an agent started while the API is away takes the slot its boot remembers", async () => {
  cluster.addSbdNode("worker-1", 7);
  const node = cluster.addNode("worker-1");
  node.boot();
  await untilArmed(node, "config-7");
  await cluster.server.goAway();
  const opened = node.events.filter(({ kind }) => kind === "open").length;
  node.kill("agent", "SIGKILL");
  await until(
    "armed again",
    () => node.events.filter(({ kind }) => kind === "open").length > opened,
  );
  assert.ok(node.isUp);
  await cluster.server.comeBack();
});

test("a boot that comes back cut off finds its slot on the device, and beats there", async () => {
  cluster.addSbdNode("worker-1", 7);
  const node = cluster.addNode("worker-1");
  node.boot();
  await untilArmed(node, "config-7");
  await node.powerOff();
  await cluster.server.goAway();
  const opened = node.events.filter(({ kind }) => kind === "open").length;
  node.boot();
  await until(
    "armed again",
    () => node.events.filter(({ kind }) => kind === "open").length > opened,
  );
  assert.match(logged(node, /this node has slot/) ?? "", /slot 7, as an earlier boot/);
  await cluster.server.comeBack();
});

test("the core process takes its API process with it", async () => {
  cluster.addSbdNode("worker-1", 7);
  const node = cluster.addNode("worker-1");
  node.boot();
  await untilArmed(node, "config-7");
  const orphan = apiProcessOf(node);
  node.setRestart("agent", "never");
  node.kill("agent", "SIGKILL");
  await until(
    "the API process is gone",
    () => !fs.existsSync(`/proc/${orphan}/maps`) || isZombie(orphan),
  );
});

test("two SBDNodes for a node give no slot; the one that is left does, and the agent moves there", async () => {
  cluster.addSbdNode("worker-1", 7);
  cluster.addSbdNode("worker-1", 9);
  const node = cluster.addNode("worker-1");
  node.boot();
  await until(
    "it says so",
    () => logged(node, /config-7 and config-9 name this node/) !== undefined,
  );
  cluster.server.objects.delete("sbdnodes", "config-7");
  await untilArmed(node, "config-9");
  cluster.server.objects.delete("sbdnodes", "config-9");
  cluster.addSbdNode("worker-1", 7);
  await untilArmed(node, "config-7");
  assert.ok(node.events.some(({ kind }) => kind === "magic"));
  assert.ok(!node.events.some(({ kind }) => ["fire", "sysrq"].includes(kind)));
});

test("an agent asked to go releases its watchdog, API process and all", async () => {
  cluster.addSbdNode("worker-1", 7);
  const node = cluster.addNode("worker-1");
  node.boot();
  await untilArmed(node, "config-7");
  node.setRestart("agent", "never");
  node.kill("agent", "SIGTERM");
  await node.waitFor(({ kind }) => kind === "exit", 20_000);
  assert.ok(node.events.some(({ kind }) => kind === "magic"));
});

test("a named agent fences, reports each step, and records the proof, and clears the slot when asked", async () => {
  for (const [name, nodeID] of [
    ["worker-1", 1],
    ["worker-2", 2],
  ] as const) {
    cluster.addSbdNode(name, nodeID);
  }
  const [target, fencer] = [cluster.addNode("worker-1"), cluster.addNode("worker-2")];
  target.boot();
  fencer.boot();
  await untilArmed(target, "config-1");
  await untilArmed(fencer, "config-2");
  const { bootID } = target;
  // As kubelet and leader would have it once the message stands.
  const worker = { name: "worker-1" };
  const taint = { key: REMEDIATION_TAINT_KEY, effect: "NoExecute" };
  await patchAsOperator(NODES, worker, { status: { nodeInfo: { bootID } } }, "status");
  await patchAsOperator(NODES, worker, { spec: { taints: [taint] } });
  const request = { name: "request", namespace: "default" };
  cluster.server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDRemediation",
      metadata: { ...request, finalizers: [REMEDIATION_FINALIZER] },
      spec: { nodeName: "worker-1" },
    },
  ]);
  const fencing = { agent: "worker-2", configName: "config", nodeID: 1 };
  const named = { status: { nodeName: "worker-1", fencing } };
  await patchAsOperator(SBD_REMEDIATIONS, request, named, "status");
  const reported = (...path: string[]): unknown =>
    fieldAt(
      cluster.server.objects.get("sbdremediations", "request", "default"),
      "status",
      "fencing",
      ...path,
    );
  const states: unknown[] = [];
  cluster.server.onChange(() => {
    const state = reported("state");
    if (state !== undefined && states.at(-1) !== state) states.push(state);
  });
  await target.waitFor(({ kind }) => kind === "sysrq", 20_000);
  target.stayDown();
  await until("the proof", () => reported("evidence") !== undefined);
  assert.equal(textAt(reported("evidence"), "kind"), "Acknowledged");
  assert.equal(textAt(reported("evidence"), "bootID"), bootID);
  const record = unpackRecord(textAt(reported("evidence"), "observations"));
  const judged = judgeGrounds(readGrounds(record));
  assert.ok(
    judged.kind === "proven",
    "what was recorded proves the death to whoever judges it again",
  );
  assert.equal(judged.evidence.detail, textAt(reported("evidence"), "detail"));
  assert.equal(reported("epoch"), 1);
  assert.equal(reported("boundSeconds"), 16);
  assert.deepEqual(states.slice(-2), ["Durable", "Proven"]);
  assert.equal(reported("agent"), "worker-2");
  await until("withdrawn", () => logged(fencer, /recorded proof of death/) !== undefined);
  // The leader has the slot cleared once nobody needs the message.
  const requestedTime = new Date().toISOString();
  const slotTask = { id: "task-1", kind: "Clear", agent: "worker-2", requestedTime };
  await patchAsOperator(SBD_NODES, { name: "config-1" }, { status: { slotTask } }, "status");
  await until("cleared", () => listAt(status("config-2"), "slotTaskResults").length === 1);
  const [result] = listAt(status("config-2"), "slotTaskResults");
  assert.equal(textAt(result, "id"), "task-1");
  assert.equal(textAt(result, "state"), "Done", textAt(result, "reason"));
});

async function patchAsOperator(
  type: ResourceType,
  ref: ObjectRef,
  body: Readonly<Record<string, unknown>>,
  subresource?: "status",
): Promise<void> {
  const token = cluster.server.tokenFor(SYSTEM_NAMESPACE, "sbd-operator");
  const client = embeddedClient(cluster.server, { token });
  const patch = { kind: "merge", body } as const;
  const outcome = await patchObject(client, type, ref, patch, subresource ? { subresource } : {});
  client.close();
  assert.equal(outcome.kind, "done", JSON.stringify(outcome));
}

function isZombie(pid: number): boolean {
  return /\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, "latin1"));
}
