import assert from "node:assert/strict";
import { test } from "node:test";

import { Cluster, QUIET_SILENCE_MS } from "./scenarios/cluster.ts";

const PENDING = { phase: "Pending", conditions: [{ type: "PodScheduled", status: "True" }] };

function message(cluster: Cluster): string {
  const { message: text } = (cluster.api.get("SBDConfig", "default")?.status ?? {}) as {
    message: string;
  };
  return text;
}

/** The agent of a node is silent, and its pod is as told. */
function podOf(cluster: Cluster, node: string, status: Readonly<Record<string, unknown>>): void {
  cluster.silence(node);
  const name = `sbd-agent-default-${node}`;
  cluster.addPod(name, node);
  cluster.api.change("Pod", name, (pod) => {
    pod.metadata.labels = { app: "sbd-agent", "medik8s.io/sbdconfig": "default" };
    pod.status = status;
  });
}

function waiting(reason: string, more: Readonly<Record<string, unknown>> = {}): object {
  return { ...PENDING, containerStatuses: [{ state: { waiting: { reason } }, ...more }] };
}

test("pods that do not start: each node's name with what keeps its pod", () => {
  const cluster = new Cluster({ nodes: 4 });
  podOf(cluster, "worker-1", { ...waiting("ContainerCreating") });
  podOf(cluster, "worker-2", { ...waiting("ImagePullBackOff") });
  podOf(cluster, "worker-3", {
    ...waiting("CrashLoopBackOff", {
      lastState: { terminated: { exitCode: 1, message: "the device is another SBDConfig's" } },
    }),
  });
  podOf(cluster, "worker-4", {
    phase: "Pending",
    conditions: [{ type: "PodScheduled", status: "False", message: "Insufficient memory" }],
  });
  cluster.pass(QUIET_SILENCE_MS);
  const text = message(cluster);
  assert.match(text, /0 of 4 nodes are armed; not armed: /);
  assert.match(text, /worker-1 \(its pod waits for its volumes or its sandbox \(ContainerCreating/);
  assert.match(text, /worker-2 \(its image cannot be pulled/);
  assert.match(
    text,
    /worker-3 \(its pod ends again and again: the device is another SBDConfig's\)/,
  );
  assert.match(text, /worker-4 \(its pod cannot be scheduled: Insufficient memory\)/);
});

test("no pod, as where pod security or a quota refuses it: where the reason is to be found", () => {
  const cluster = new Cluster();
  cluster.silence("worker-2");
  cluster.pass(QUIET_SILENCE_MS);
  assert.match(
    message(cluster),
    /2 of 3 nodes are armed; not armed: worker-2 \(no agent runs there: kubectl describe daemonset sbd-agent-default/,
  );
});

test("an agent that reports and does not arm is quoted", () => {
  const cluster = new Cluster();
  cluster.silence("worker-2");
  cluster.pass(2_000);
  cluster.agentReports("default-2", { armed: false, message: "/dev/watchdog is absent" });
  cluster.settle();
  assert.match(message(cluster), /not armed: worker-2 \(\/dev\/watchdog is absent\)/);
});

test("nodes that are excluded look like nothing", () => {
  const cluster = new Cluster();
  cluster.api.change("SBDConfig", "default", (config) => {
    config.spec = { ...(config.spec as object), nodeExclusionList: ["worker-1"] };
  });
  cluster.agentReports("default-1", { leaving: true, armed: false });
  cluster.silence("worker-1");
  cluster.pass(QUIET_SILENCE_MS);
  assert.match(message(cluster), /^2 of 2 nodes are armed; M = /);
});

test("the 256th node is named, and that no slot is free for it", () => {
  const cluster = new Cluster({ nodes: 0 });
  for (let number = 1; number <= 256; number += 1) {
    cluster.addNode(`worker-${number}`);
  }
  for (let round = 0; round < 20; round += 1) {
    cluster.round();
  }
  for (const { spec } of cluster.api.list("SBDNode")) {
    cluster.resume((spec as { nodeName: string }).nodeName);
  }
  cluster.beat();
  cluster.settle();
  const slots = new Set(
    cluster.api.list("SBDNode").map(({ spec }) => (spec as { nodeName: string }).nodeName),
  );
  const left = Array.from({ length: 256 }, (_, index) => `worker-${index + 1}`).filter(
    (name) => !slots.has(name),
  );
  assert.equal(left.length, 1);
  assert.ok(
    message(cluster).includes(`not armed: ${left[0]} (no slot is free: a device has 255)`),
    message(cluster),
  );
});
