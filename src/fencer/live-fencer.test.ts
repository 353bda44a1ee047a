/**
 * The whole of `fencerPlacement: Operator`: real agents on virtual machines, a real operator, real
 * fencers on one real device, and the embedded API server with all that is deployed. The test plays
 * kubelet, node controller and the Deployment's controller.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { promisify } from "node:util";

import { createLiveCluster, type LiveCluster } from "../agent/api/testing/live-cluster.ts";
import { API_VERSION, SYSTEM_NAMESPACE } from "../api/group.ts";
import { NODE_NAME_ANNOTATION, REMEDIATION_TAINT_KEY } from "../api/remediation-names.ts";
import { SBDCTL } from "../cli/testing/sbdctl.ts";
import { fieldAt, listAt, textAt } from "../kube/kube-object.ts";
import { until } from "../kube/testing/until.ts";
import { openSlotDevice } from "../platform/slot-device.ts";
import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import type { FenceSlot } from "../protocol/fence-record.ts";
import { createVirtualDevice } from "../testing/virtual-device.ts";
import { createFaultControl, faultEnvironment } from "../testing/fault-control.ts";
import type { VirtualNode } from "../testing/virtual-node.ts";

const FENCER = "sbd-fencer-config";
const FIRST = `${FENCER}-5d4f8c7b9-aaaaa`;
const SECOND = `${FENCER}-5d4f8c7b9-bbbbb`;
const LEASE = { SBD_LEASE_SECONDS: "4" };
/** M = 16 s and a taint that stands for ten. */
const PROOF_WITHIN_MS = 60_000;

let cluster: LiveCluster;
let timeline: string[];

beforeEach(async () => {
  cluster = await createLiveCluster("SelfFence", { fencerPlacement: "Operator" });
  timeline = [];
  const { server } = cluster;
  server.onChange(({ object }) => {
    if (object.kind === "SBDRemediation") noteRequest(object);
    if (object.kind === "Node") noteNode(object);
  });
  cluster.startProgram("sbd-operator-a", {
    word: "operator",
    token: server.tokenFor(SYSTEM_NAMESPACE, "sbd-operator"),
    environment: { POD_NAME: "sbd-operator-a", SBD_METRICS_PORT: "0", ...LEASE },
  });
});
afterEach(async () => {
  await cluster.close();
});

function note(what: string): void {
  if (!timeline.includes(what)) timeline.push(what);
}

function noteRequest(request: unknown): void {
  if (listAt(request, "metadata", "finalizers").length > 0) note("finalizer");
  const fencing = fieldAt(request, "status", "fencing");
  const agent = textAt(fencing, "agent");
  if (agent !== "") note(`named ${agent}`);
  const state = textAt(fencing, "state");
  if (state !== "") note(`state ${state}`);
  const kind = textAt(fencing, "evidence", "kind");
  if (kind !== "") note(`evidence ${kind}`);
  if (isFenced(request)) note("FencingSucceeded");
}

function noteNode(node: unknown): void {
  for (const taint of listAt(node, "spec", "taints")) {
    if (textAt(taint, "key") === REMEDIATION_TAINT_KEY) note(`taint ${textAt(taint, "effect")}`);
  }
}

function isFenced(request: unknown): boolean {
  return listAt(request, "status", "conditions").some(
    (condition) =>
      textAt(condition, "type") === "FencingSucceeded" && textAt(condition, "status") === "True",
  );
}

/** The things that happened, in the order in which they are wanted. */
function assertOrder(wanted: readonly string[]): void {
  assert.deepEqual(
    timeline.filter((what) => wanted.includes(what)),
    wanted,
    `it was: ${timeline.join(" | ")}`,
  );
}

function startFencer(
  podName: string,
  devicePath = cluster.device.path,
  more: Readonly<Record<string, string>> = {},
): ReturnType<LiveCluster["startProgram"]> {
  return cluster.startProgram(podName, {
    word: "fencer",
    token: cluster.server.tokenFor(SYSTEM_NAMESPACE, "sbd-fencer", { podName }),
    environment: {
      POD_NAME: podName,
      SBD_CONFIG_NAME: "config",
      SBD_DEVICE_PATH: devicePath,
      SBD_TIMEOUT_SECONDS: "6",
      SBD_METRICS_ADDRESS: "127.0.0.1",
      SBD_METRICS_PORT: "0",
      ...LEASE,
      ...more,
    },
  });
}

function said(podName: string, pattern: RegExp): boolean {
  return cluster.programLog(podName).some(({ msg }) => pattern.test(msg));
}

function holder(): string {
  const lease = cluster.server.objects.get("leases", FENCER, SYSTEM_NAMESPACE);
  return textAt(lease, "spec", "holderIdentity");
}

/** The kubelet's word, and the node controller's. */
function showNode(name: string, bootID: string, ready: "True" | "Unknown"): void {
  const conditions = [{ type: "Ready", status: ready, reason: "", message: "" }];
  cluster.server.objects.change("nodes", name, (node) => ({
    ...node,
    status: { nodeInfo: { bootID }, conditions },
  }));
}

function addWorker(name: string): VirtualNode {
  const node = cluster.addNode(name);
  node.on((event) => {
    if (event.kind === "boot") showNode(name, event.bootID, "True");
    if (event.kind === "dead") {
      note(`${name} dead`);
      showNode(name, event.bootID, "Unknown");
    }
  });
  node.boot();
  return node;
}

function sbdNodeOf(name: string): unknown {
  return cluster.server.objects
    .list("sbdnodes.medik8s.io")
    .find((sbdNode) => textAt(sbdNode, "spec", "nodeName") === name);
}

function slotIDOf(name: string): number {
  return Number(fieldAt(sbdNodeOf(name), "spec", "nodeID"));
}

/** Both workers beat armed, and each has listed the other as moving: the API tells it earlier. */
async function twoWorkers(): Promise<readonly [target: VirtualNode, peer: VirtualNode]> {
  const names = ["worker-1", "worker-2"] as const;
  const workers = [addWorker(names[0]), addWorker(names[1])] as const;
  await until("slots", () => names.every((name) => sbdNodeOf(name) !== undefined));
  const [target, peer] = [slotIDOf(names[0]), slotIDOf(names[1])];
  const device = openSlotDevice(cluster.device.path);
  device.readHeader();
  const beats = (nodeID: number, moving: number): boolean => {
    const slot = device.readHeartbeat(nodeID);
    return slot.kind === "heartbeat" && slot.record.armed && slot.record.moving.includes(moving);
  };
  await until("armed heartbeats", () => beats(target, peer) && beats(peer, target));
  device.close();
  return workers;
}

/** As NodeHealthCheck makes it. */
function requestFencing(nodeName: string): string {
  const [request] = cluster.server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDRemediation",
      metadata: {
        name: "request",
        namespace: "default",
        annotations: { [NODE_NAME_ANNOTATION]: nodeName },
      },
      spec: { remediationStrategy: "ResourceDeletion" },
    },
  ]);
  return request?.metadata.uid ?? "";
}

function fencing(...path: readonly string[]): unknown {
  const request = cluster.server.objects.get("sbdremediations", "request", "default");
  return fieldAt(request, "status", "fencing", ...path);
}

/** Waits for the leader's conclusion, by events and not by looking. */
async function untilFenced(): Promise<void> {
  const fenced = cluster.server.nextChange(
    ({ object }) => object.kind === "SBDRemediation" && isFenced(object),
  );
  const tooLate = AbortSignal.timeout(PROOF_WITHIN_MS);
  const late = new Promise<never>((_, reject) => {
    tooLate.addEventListener("abort", () =>
      reject(
        new Error(
          `not fenced: ${timeline.join(" | ")}\n${JSON.stringify(fencing(), null, 1)}\n` +
            [FIRST, SECOND]
              .flatMap((name) => cluster.programLog(name))
              .map((line) => JSON.stringify(line))
              .join("\n"),
        ),
      ),
    );
  });
  await Promise.race([fenced, late]);
}

function changeConfig(spec: Readonly<Record<string, string>>): void {
  cluster.server.objects.change("sbdconfigs", "config", (config) => ({
    ...config,
    spec: { ...(config["spec"] as object), ...spec },
  }));
}

/** Slots in which anybody has ever beaten. */
function heartbeatSlots(): readonly number[] {
  const device = openSlotDevice(cluster.device.path);
  try {
    device.readHeader();
    return [...device.readHeartbeats().keys()].toSorted((a, b) => a - b);
  } finally {
    device.close();
  }
}

function fenceSlotOf(name: string): FenceSlot {
  const device = openSlotDevice(cluster.device.path);
  try {
    device.readHeader();
    return device.readFence(slotIDOf(name));
  } finally {
    device.close();
  }
}

test("a Deployment is rendered, its fencer fences a node that obeys, and goes when the placement changes", async () => {
  const { server } = cluster;
  const deployed = (): unknown => server.objects.get("deployments", FENCER, SYSTEM_NAMESPACE);
  await until("the Deployment", () => deployed() !== undefined);
  assert.match(JSON.stringify(deployed()), /"devicePath":"\/mnt\/sbd-operator-device"/);
  const [target] = await twoWorkers();
  const { bootID, machineID } = target;
  startFencer(FIRST);
  await until("it is at work", () => holder() === FIRST);
  const uid = requestFencing("worker-1");
  const fenced = untilFenced();
  await target.waitFor(({ kind }) => kind === "sysrq", PROOF_WITHIN_MS);
  target.stayDown();
  const message = fenceSlotOf("worker-1");
  assert.equal(message.kind, "fence");
  assert.equal(message.record.fencerName, FIRST);
  assert.equal(message.record.senderID, 0);
  assert.equal(message.record.requestUID, uid);
  assert.equal(message.record.targetBootID, bootID);
  await fenced;
  assertOrder([
    "finalizer",
    "taint NoSchedule",
    "taint NoExecute",
    `named ${FENCER}`,
    "state Durable",
    "state Proven",
    "evidence Acknowledged",
    "FencingSucceeded",
  ]);
  assertOrder([`named ${FENCER}`, "worker-1 dead", "evidence Acknowledged"]);
  // Agents are there and well, but it is not their placement.
  assert.deepEqual(
    timeline.filter((line) => line.startsWith("named")),
    [`named ${FENCER}`],
  );
  assert.equal(textAt(fencing("evidence"), "bootID"), bootID);
  assert.equal(fencing("machineID"), machineID);
  const writers = server.log
    .filter(({ resource }) => resource === "sbdremediations/status")
    .map(({ user }) => user.split(":").at(-1));
  assert.deepEqual(new Set(writers), new Set(["sbd-fencer", "sbd-operator"]));
  assert.deepEqual(heartbeatSlots(), [1, 2], "this fencer beats in no slot");
  changeConfig({ fencerPlacement: "Agent" });
  await until("the Deployment is gone", () => deployed() === undefined);
});

test("a node that is off is proven dead by silence, with a witness and without a slot of the fencer's", async () => {
  const [target] = await twoWorkers();
  const { bootID } = target;
  startFencer(FIRST);
  await until("it is at work", () => holder() === FIRST);
  await target.powerOff();
  requestFencing("worker-1");
  await untilFenced();
  assertOrder([
    "worker-1 dead",
    "finalizer",
    "taint NoSchedule",
    "taint NoExecute",
    `named ${FENCER}`,
    "state Durable",
    "evidence Bounded",
    "FencingSucceeded",
  ]);
  assert.equal(textAt(fencing("evidence"), "bootID"), bootID);
  const provenMs = Date.parse(textAt(fencing("evidence"), "time"));
  const durableMs = Date.parse(String(fencing("messageDurableTime")));
  assert.ok(provenMs - durableMs >= 16_000, `${provenMs - durableMs} ms after the message`);
});

test("an administrator's word proves what silence may not: sbdctl confirm-off, as documented", async () => {
  const [target] = await twoWorkers();
  const { bootID } = target;
  changeConfig({ pausableNodes: "Refuse" });
  startFencer(FIRST);
  await target.powerOff();
  requestFencing("worker-1");
  await until("the message stands", () => fencing("state") === "Durable");
  const KUBECONFIG = cluster.kubeconfig("admin", cluster.server.adminToken);
  const args = ["confirm-off", "worker-1", "--yes", "--wait", "60", "-o", "json"];
  const confirm = (): Promise<{ stdout: string; stderr: string }> =>
    promisify(execFile)(SBDCTL, args, { env: { ...process.env, KUBECONFIG } });
  await assert.rejects(confirm, /has reported a good pass .* so the node\s+runs/);
  // Its agent's last word is a sign of life for a while.
  const lastPassTime = textAt(sbdNodeOf("worker-1"), "status", "lastPassTime");
  await until("that is old", () => Date.now() - Date.parse(lastPassTime) > 15_000);
  const { stdout, stderr } = await confirm();
  const { evidence, confirmation } = JSON.parse(stdout);
  assert.equal(evidence, "ManuallyConfirmed");
  assert.equal(confirmation.by, "kubernetes-admin");
  assert.match(stderr, /missing to a proof +.*PAUSABLE/s);
  assert.equal(textAt(fencing("evidence"), "bootID"), bootID);
  assert.match(textAt(fencing("evidence"), "detail"), /^kubernetes-admin confirmed at /);
  assertOrder(["state Durable", "evidence ManuallyConfirmed", "FencingSucceeded"]);
});

test("the other fencer takes the wait over when the first is killed", async () => {
  const [target] = await twoWorkers();
  const first = startFencer(FIRST);
  await until("the first is at work", () => holder() === FIRST);
  startFencer(SECOND);
  await until("the second looks on", () => said(SECOND, /passes are good/));
  await target.powerOff();
  requestFencing("worker-1");
  await until("the message stands", () => fencing("state") === "Durable");
  const epoch = fencing("epoch");
  first.kill("SIGKILL");
  await untilFenced();
  assert.equal(holder(), SECOND);
  assert.ok(timeline.includes("evidence Bounded"), timeline.join(" | "));
  // The message that stands is taken over, not written anew.
  assert.equal(fencing("epoch"), epoch);
  const message = fenceSlotOf("worker-1");
  assert.ok(message.kind === "fence" && message.record.fencerName === FIRST);
});

test("a fencer with another device than the agents' takes no orders and writes nothing", async () => {
  await twoWorkers();
  const other = createVirtualDevice({ directory: temporaryDirectory() });
  try {
    await promisify(execFile)(SBDCTL, [
      ...["device", "init", other.path, "--timeout-seconds", "6"],
      ...["--watchdog-timeout-seconds", "4", "--local-storage"],
    ]);
    startFencer(FIRST, other.path);
    await until("it says so", () => said(FIRST, /the agents work on .* Mend the PVC/));
    requestFencing("worker-1");
    await until("it is wanted", () =>
      /waiting for a fencer of Deployment sbd-fencer-config/.test(
        textAt(
          cluster.server.objects.get("sbdremediations", "request", "default"),
          "status",
          "message",
        ),
      ),
    );
    assert.equal(holder(), "");
    assert.equal(textAt(fencing(), "agent"), "");
    assert.equal(fenceSlotOf("worker-1").kind, "empty");
    startFencer(SECOND);
    await until("the right one is named", () => textAt(fencing(), "agent") === FENCER);
    assert.equal(holder(), SECOND);
  } finally {
    other.close();
  }
});

test("a fencer whose device hangs gives its Lease up to the other one, and has it back when that ends", async () => {
  await twoWorkers();
  const faults = createFaultControl(join(temporaryDirectory(), "faults"));
  const { path } = cluster.device;
  startFencer(FIRST, path, faultEnvironment(faults, path));
  await until("the first is at work", () => holder() === FIRST);
  const second = startFencer(SECOND);
  await until("the second looks on", () => said(SECOND, /passes are good/));
  assert.equal((await health(FIRST)).status, 200);
  faults.set({ read: { hang: true } });
  await until("the second is at work", () => holder() === SECOND);
  const ill = await health(FIRST);
  assert.equal(ill.status, 503);
  assert.match(await ill.text(), /no good pass for T/);
  faults.heal();
  await untilMetric(SECOND, /^sbd_fencer_at_work 1$/m);
  await untilMetric(FIRST, /^sbd_fencer_status_healthy 1$/m);
  await untilMetric(FIRST, /^sbd_fencer_at_work 0$/m);
  second.kill("SIGTERM");
  await until("the first is at work again", () => holder() === FIRST);
  await untilMetric(FIRST, /^sbd_fencer_at_work 1$/m);
  faults.close();
});

async function health(podName: string): Promise<Response> {
  return await fetch(`http://127.0.0.1:${portOf(podName)}/healthz`);
}

async function untilMetric(podName: string, line: RegExp): Promise<void> {
  const tooLate = AbortSignal.timeout(20_000);
  let text = "";
  while (!line.test(text)) {
    assert.ok(!tooLate.aborted, `${podName} does not show ${String(line)}: ${text}`);
    const response = await fetch(`http://127.0.0.1:${portOf(podName)}/metrics`);
    text = await response.text();
  }
}

function portOf(podName: string): string {
  const serving = cluster.programLog(podName).find(({ msg }) => msg.startsWith("serving /metrics"));
  return serving?.msg.match(/\d+$/)?.[0] ?? "";
}
