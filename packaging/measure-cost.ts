/**
 * Measures what the bundle's processes cost on a large cluster that is quiet: 255 nodes that beat on a real
 * device, 255 SBDNodes whose status their agents write, Nodes with the status that kubelets give them,
 * and pods. One node's agent and one operator are real and run from the bundle; both have led, passed
 * and reported for a while when they are measured: memory from the start on, CPU and API writes over the
 * last minute. The API server and the beating of the other nodes
 * are processes of their own.
 *
 * Proportional set size: memory that processes share counts in parts. Node.js' own file is shared
 * between core and API process, as it is in a pod.
 *
 * usage: node packaging/measure-cost.ts [--seconds n] [--pods-per-node n]
 */
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Worker, isMainThread, workerData } from "node:worker_threads";

import {
  createLiveCluster,
  CONFIG_NAME,
  TIMEOUT_SECONDS,
} from "../src/agent/api/testing/live-cluster.ts";
import { API_VERSION, SYSTEM_NAMESPACE } from "../src/api/group.ts";
import { REPORT_EVERY_MS } from "../src/api/report-rhythm.ts";
import type { SBDNodeStatus } from "../src/api/sbd-node.ts";
import { manifests } from "../src/api/testing/manifests.ts";
import { listAt, textAt } from "../src/kube/kube-object.ts";
import type { ApiServer } from "../src/testing/apiserver/start-api-server.ts";
import { openSlotDevice } from "../src/platform/slot-device.ts";
import { encodeHeartbeatRecord, type HeartbeatRecord } from "../src/protocol/heartbeat-record.ts";
import { bundle } from "./bundle.ts";
import { armedHeartbeat } from "../src/protocol/testing/heartbeat-record.ts";

const NODES = 255;
const BEAT_EVERY_MS = 1_000;
/** As agents do where nothing has changed, all of them together. */
const STATUS_EVERY_MS = REPORT_EVERY_MS.seldom / NODES;
const IMAGES_PER_NODE = 50;
const MIB = 1024;
const MS_PER_CLOCK_TICK = 10;
const QUIET_MS = 60_000;
const AGENT_MAX_MIB = 180;
const OPERATOR_MAX_MIB = 150;

const nodeName = (nodeID: number): string => `worker-${nodeID}.cluster.example.com`;
const bootIDs = Array.from({ length: NODES + 1 }, () => randomUUID());
const machineID = (nodeID: number): string => nodeID.toString(16).padStart(32, "0");

function heartbeat(nodeID: number, sequence: number): HeartbeatRecord {
  return armedHeartbeat({
    nodeID,
    timestampNs: BigInt(Date.now()) * 1_000_000n,
    sequence,
    bootID: bootIDs[nodeID] ?? "",
    machineID: machineID(nodeID),
    startID: machineID(nodeID).slice(-16),
    nodeName: nodeName(nodeID),
    uptimeMs: 1_000_000 + sequence * BEAT_EVERY_MS,
    timeoutMs: TIMEOUT_SECONDS * 1_000,
    watchdogMs: 4_000,
    moving: Array.from({ length: NODES }, (_, index) => index + 1),
    passLatencyMs: 3,
  });
}

function beat(devicePath: string): void {
  const device = openSlotDevice(devicePath);
  const header = device.readHeader();
  if (header.kind !== "header") throw new Error(`${devicePath} has no header`);
  const { strideBytes } = header.header;
  let sequence = 0;
  setInterval(() => {
    sequence += 1;
    const slots = new Uint8Array((NODES - 1) * strideBytes);
    for (let nodeID = 2; nodeID <= NODES; nodeID += 1) {
      const slot = encodeHeartbeatRecord(heartbeat(nodeID, sequence), strideBytes);
      slots.set(slot, (nodeID - 2) * strideBytes);
    }
    device.shared.writeAt("heartbeat", 2 * strideBytes, slots);
  }, BEAT_EVERY_MS);
}

function sbdNode(nodeID: number, round: number): Record<string, unknown> {
  return {
    apiVersion: API_VERSION,
    kind: "SBDNode",
    metadata: { name: `${CONFIG_NAME}-${nodeID}`, finalizers: ["medik8s.io/sbd-slot"] },
    spec: { configName: CONFIG_NAME, nodeName: nodeName(nodeID), nodeID },
    ...(nodeID === 1 ? {} : { status: statusOf(nodeID, round) }),
  };
}

function statusOf(nodeID: number, round: number): SBDNodeStatus {
  return {
    bootID: bootIDs[nodeID],
    machineID: machineID(nodeID),
    startID: machineID(nodeID).slice(-16),
    watchdog: {
      path: "/dev/watchdog",
      identity: "i6300ESB timer",
      driver: "i6300esb",
      timeoutSeconds: 4,
      effectiveTimeoutSeconds: 4,
      verified: true,
    },
    armed: true,
    detectOnly: false,
    leaving: false,
    fenced: false,
    lastPassTime: new Date().toISOString(),
    passLatencyMilliseconds: 2 + (round % 5),
    movingPeers: NODES - 1,
    unhealthyPeers: [],
    staleSlots: [],
  };
}

function nodeCondition(type: string): Record<string, unknown> {
  return {
    type,
    status: type === "Ready" ? "True" : "False",
    lastHeartbeatTime: "2026-01-01T00:00:00Z",
    lastTransitionTime: "2026-01-01T00:00:00Z",
    reason: `Kubelet${type}`,
    message: `kubelet says what there is to be said of ${type}`,
  };
}

function kubeNode(nodeID: number): Record<string, unknown> {
  const name = nodeName(nodeID);
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/os": "linux", "kubernetes.io/hostname": name } },
    spec: { podCIDR: `10.${nodeID}.0.0/24`, providerID: `example:///${name}` },
    status: {
      conditions: ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"].map(nodeCondition),
      nodeInfo: { bootID: bootIDs[nodeID], machineID: machineID(nodeID), systemUUID: randomUUID() },
      images: Array.from({ length: IMAGES_PER_NODE }, (_, index) => ({
        names: [
          `registry.example.com/team-${index}/service@sha256:${machineID(index)}${machineID(index)}`,
          `registry.example.com/team-${index}/service:1.${index}.0`,
        ],
        sizeBytes: 100_000_000 + index,
      })),
    },
  };
}

function pod(nodeID: number, index: number): Record<string, unknown> {
  const name = `service-${index}-${randomBytes(5).toString("hex")}`;
  const labels = { app: `service-${index}`, "pod-template-hash": "5d4f8c7b9" };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels, generateName: `service-${index}-` },
    spec: {
      nodeName: nodeName(nodeID),
      containers: [
        {
          name: "service",
          image: `registry.example.com/team-${index}/service:1.${index}.0`,
          env: Array.from({ length: 15 }, (_, at) => ({
            name: `SETTING_${at}`,
            value: `value ${at}`,
          })),
          resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "256Mi" } },
          volumeMounts: [{ name: "token", mountPath: "/var/run/secrets", readOnly: true }],
        },
      ],
      tolerations: [
        {
          key: "node.kubernetes.io/not-ready",
          operator: "Exists",
          effect: "NoExecute",
          tolerationSeconds: 300,
        },
        {
          key: "node.kubernetes.io/unreachable",
          operator: "Exists",
          effect: "NoExecute",
          tolerationSeconds: 300,
        },
      ],
      volumes: [{ name: "token", emptyDir: {} }],
    },
    status: {
      phase: "Running",
      podIP: `10.${nodeID}.0.${index}`,
      conditions: ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
        type,
        status: "True",
        lastTransitionTime: "2026-01-01T00:00:00Z",
      })),
    },
  };
}

/** CPU time that a process has taken, its threads included; ms, in steps of 10. */
function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_CLOCK_TICK;
}

type Memory = { readonly pid: number; readonly pssKiB: number; readonly privateDirtyKiB: number };

function memoryOf(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (field: string): number =>
    Number(new RegExp(`^${field}: +(\\d+) kB$`, "m").exec(rollup)?.[1] ?? Number.NaN);
  return { pid, pssKiB: kib("Pss"), privateDirtyKiB: kib("Private_Dirty") };
}

/** Of processes that run a word of the bundle. */
function pidsOf(sbd: string, word: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}/cmdline`))
    .map(Number)
    .filter((pid) => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        const at = args.indexOf(sbd);
        // Not `setpriv`, which becomes it.
        return at > 0 && args[at + 1] === word && (args[0] ?? "").endsWith("node");
      } catch {
        return false;
      }
    });
}

type Cost = {
  readonly atMs: number;
  readonly cpuMs: Readonly<Record<"core" | "api" | "operator", number>>;
  readonly writes: Readonly<Record<"agent" | "operator", number>>;
};

function costSoFar(sbd: string, log: ApiServer["log"]): Cost {
  const cpuMs = (word: string): number =>
    pidsOf(sbd, word).reduce((sum, pid) => sum + cpuMsOf(pid), 0);
  const writes = (account: string): number =>
    log.filter(({ user }) => user === `system:serviceaccount:${SYSTEM_NAMESPACE}:${account}`)
      .length;
  return {
    atMs: performance.now(),
    cpuMs: { core: cpuMs("agent"), api: cpuMs("agent-api"), operator: cpuMs("operator") },
    writes: { agent: writes("sbd-agent"), operator: writes("sbd-operator") },
  };
}

/** For people: a core's share and writes a minute. */
function costBetween(before: Cost | null, after: Cost): string {
  if (before === null) {
    return "too short to tell CPU and writes";
  }
  const ms = after.atMs - before.atMs;
  const share = (part: keyof Cost["cpuMs"]): string =>
    `${((100 * (after.cpuMs[part] - before.cpuMs[part])) / ms).toFixed(2)} %`;
  const perMinute = (who: keyof Cost["writes"]): string =>
    ((60_000 * (after.writes[who] - before.writes[who])) / ms).toFixed(1);
  return (
    `in quiet, over ${(ms / 1_000).toFixed(0)} s: of a core the agent's core ${share("core")}, its API ` +
    `process ${share("api")}, the operator ${share("operator")}; API writes a minute: an agent ` +
    `${perMinute("agent")}, the operator ${perMinute("operator")}`
  );
}

/** The plain values of its Deployment. */
function operatorEnvironment(): Record<string, string> {
  const [deployment] = manifests("operator/deployment.yaml");
  const [container] = listAt(deployment, "spec", "template", "spec", "containers");
  const plain = listAt(container, "env").filter((entry) => textAt(entry, "value") !== "");
  return Object.fromEntries(plain.map((entry) => [textAt(entry, "name"), textAt(entry, "value")]));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "120" },
      "pods-per-node": { type: "string", default: "20" },
    },
  });
  const podsPerNode = Number(values["pods-per-node"]);
  const folder = resolve(import.meta.dirname, "../build/cost-bundle");
  await bundle(folder);
  const sbd = join(folder, "sbd.mjs");
  const cluster = await createLiveCluster("SelfFence", {}, sbd);
  try {
    const { server, device } = cluster;
    const ids = Array.from({ length: NODES }, (_, index) => index + 1);
    server.objects.load(ids.map((nodeID) => kubeNode(nodeID)));
    server.objects.load(ids.map((nodeID) => sbdNode(nodeID, 0)));
    server.objects.load(
      ids.flatMap((nodeID) => Array.from({ length: podsPerNode }, (_, at) => pod(nodeID, at))),
    );
    const beater = new Worker(new URL(import.meta.url), { workerData: device.path });
    let round = 0;
    const statuses = setInterval(() => {
      round += 1;
      const nodeID = 2 + (round % (NODES - 1));
      server.objects.load([sbdNode(nodeID, round)]);
    }, STATUS_EVERY_MS);
    cluster.startProgram("sbd-operator-a", {
      word: "operator",
      token: server.tokenFor(SYSTEM_NAMESPACE, "sbd-operator"),
      environment: {
        ...operatorEnvironment(),
        POD_NAME: "sbd-operator-a",
        SBD_METRICS_PORT: "0",
        SBD_METRICS_ADDRESS: "127.0.0.1",
      },
    });
    const machine = cluster.addNode(nodeName(1));
    machine.boot();
    const worst = { core: 0, api: 0, agent: 0, operator: 0 };
    const untilMs = performance.now() + Number(values.seconds) * 1_000;
    let quiet: Cost | null = null;
    while (performance.now() < untilMs) {
      await delay(2_000);
      if (quiet === null && performance.now() >= untilMs - QUIET_MS) {
        quiet = costSoFar(sbd, server.log);
      }
      const [core] = pidsOf(sbd, "agent").map(memoryOf);
      const [api] = pidsOf(sbd, "agent-api").map(memoryOf);
      const [operator] = pidsOf(sbd, "operator").map(memoryOf);
      const mib = (memory: Memory | undefined): number => (memory?.pssKiB ?? 0) / MIB;
      const now = { core: mib(core), api: mib(api), operator: mib(operator) };
      worst.core = Math.max(worst.core, now.core);
      worst.api = Math.max(worst.api, now.api);
      worst.agent = Math.max(worst.agent, now.core + now.api);
      worst.operator = Math.max(worst.operator, now.operator);
      console.log(
        JSON.stringify({ now, worst }, (_, value: unknown) =>
          typeof value === "number" ? Math.round(value) : value,
        ),
      );
    }
    const cost = costBetween(quiet, costSoFar(sbd, server.log));
    clearInterval(statuses);
    await beater.terminate();
    const armed = cluster.log(machine).some(({ msg }) => /armed/.test(msg));
    const agentFits = worst.agent <= AGENT_MAX_MIB && worst.agent > 0;
    const operatorFits = worst.operator <= OPERATOR_MAX_MIB && worst.operator > 0;
    console.log(
      `most, in MiB of proportional set size: agent ${worst.agent.toFixed(0)} (core ` +
        `${worst.core.toFixed(0)}, API process ${worst.api.toFixed(0)}) of ${AGENT_MAX_MIB}, operator ` +
        `${worst.operator.toFixed(0)} of ${OPERATOR_MAX_MIB}; ${NODES} nodes, ${NODES * podsPerNode} pods; ` +
        `the agent has ${armed ? "" : "not "}armed`,
    );
    console.log(cost);
    process.exitCode = agentFits && operatorFits && armed ? 0 : 1;
  } finally {
    await cluster.close();
  }
}

if (isMainThread) {
  await main();
} else {
  beat(workerData as string);
}
