import assert from "node:assert/strict";
import { test } from "node:test";

import { parseSBDConfig, type SBDConfig } from "../api/sbd-config.ts";
import { deriveTiming } from "../timing/contract.ts";
import { graceSeconds } from "./agent-pod.ts";
import { agentDaemonSet } from "./config.ts";
import { Cluster, QUIET_SILENCE_MS } from "./scenarios/cluster.ts";
import { PLACE, wallAt } from "./scenarios/leader.ts";

function configOf(spec: Readonly<Record<string, unknown>> = {}): SBDConfig {
  const parsed = parseSBDConfig({
    apiVersion: "medik8s.io/v1alpha1",
    kind: "SBDConfig",
    metadata: { name: "default", uid: "uid-7" },
    spec: {
      sbdDevicePVCName: "sbd-device",
      sbdTimeoutSeconds: 10,
      watchdogTimeoutSeconds: 5,
      sbdWatchdogPath: "/dev/watchdog0",
      ...spec,
    },
  });
  assert.ok(parsed.ok);
  return parsed.value;
}

type Container = {
  name: string;
  image: string;
  imagePullPolicy: string;
  args: string[];
  env: { name: string; value?: string; valueFrom?: { fieldRef: { fieldPath: string } } }[];
  ports: object[];
  resources: { requests: object; limits: object };
  securityContext: Record<string, unknown>;
  livenessProbe?: object;
  readinessProbe: { httpGet: object };
  volumeDevices: object[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
};
type DaemonSet = {
  metadata: { name: string; namespace: string; labels: object; ownerReferences: object[] };
  spec: {
    selector: { matchLabels: object };
    minReadySeconds: number;
    updateStrategy: object;
    template: {
      metadata: { labels: object };
      spec: Record<string, unknown> & {
        containers: Container[];
        volumes: { name: string; hostPath?: { path: string; type: string } }[];
      };
    };
  };
};

function daemonSetOf(spec: Readonly<Record<string, unknown>> = {}): DaemonSet {
  const timing = deriveTiming({ timeoutMs: 10_000, watchdogMs: 5_000 });
  return agentDaemonSet(configOf(spec), timing, "Block", PLACE) as unknown as DaemonSet;
}

function agentOf(daemonSet: DaemonSet): Container {
  const [container, ...others] = daemonSet.spec.template.spec.containers;
  assert.deepEqual(others, []);
  assert.ok(container);
  return container;
}

test("the DaemonSet is named and labelled after its config, and goes with it", () => {
  const { metadata, spec } = daemonSetOf();
  assert.equal(metadata.name, "sbd-agent-default");
  assert.equal(metadata.namespace, "sbd-system");
  const labels = { app: "sbd-agent", "medik8s.io/sbdconfig": "default" };
  assert.deepEqual(metadata.labels, labels);
  assert.deepEqual(spec.selector.matchLabels, labels);
  assert.deepEqual(spec.template.metadata.labels, labels);
  assert.deepEqual(metadata.ownerReferences, [
    {
      apiVersion: "medik8s.io/v1alpha1",
      kind: "SBDConfig",
      name: "default",
      uid: "uid-7",
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
});

test("a rollout never runs two agents on a node and waits longer than T + W at each", () => {
  const { spec } = daemonSetOf();
  assert.equal(spec.minReadySeconds, 16);
  assert.deepEqual(spec.updateStrategy, {
    type: "RollingUpdate",
    rollingUpdate: { maxSurge: 0, maxUnavailable: 1 },
  });
});

test("a rollout stops at the first node that does not arm: the agent tells whether it has", () => {
  const container = agentOf(daemonSetOf());
  assert.deepEqual(container.readinessProbe.httpGet, { path: "/readyz", port: "metrics" });
});

test("an agent is given longer than T + W to leave: its deadline comes before the kubelet's", () => {
  for (const [timeoutMs, watchdogMs] of [
    [10_000, 5_000],
    [60_000, 30_000],
    [3_600_000, 60_000],
  ] as const) {
    const timing = deriveTiming({ timeoutMs, watchdogMs });
    assert.equal(graceSeconds(timing), (timeoutMs + watchdogMs) / 1_000 + 5);
  }
  const { template } = daemonSetOf().spec;
  assert.equal(template.spec["terminationGracePeriodSeconds"], 20);
});

test("nothing may starve, kill or evict the agent: no CPU limit, no liveness probe, priority", () => {
  const daemonSet = daemonSetOf();
  const container = agentOf(daemonSet);
  assert.deepEqual(container.resources, {
    requests: { cpu: "50m", memory: "165Mi" },
    limits: { memory: "330Mi" },
  });
  assert.equal("livenessProbe" in container, false);
  const pod = daemonSet.spec.template.spec;
  assert.equal(pod["hostPID"], true);
  assert.equal(pod["priorityClassName"], "system-node-critical");
  assert.deepEqual(pod["tolerations"], [{ operator: "Exists" }]);
  assert.equal(container.securityContext["privileged"], true);
});

test("the agent's environment says where it is and what it lives by", () => {
  const { env, ports } = agentOf(
    daemonSetOf({ rebootMethod: "systemctl-reboot", logLevel: "debug", metricsPort: 9_100 }),
  );
  const values = Object.fromEntries(
    env.map(({ name, value, valueFrom }) => [name, value ?? valueFrom?.fieldRef.fieldPath]),
  );
  assert.deepEqual(values, {
    NODE_NAME: "spec.nodeName",
    SBD_CONFIG_NAME: "default",
    SBD_DEVICE_PATH: "/dev/sbd-watchdog",
    SBD_WATCHDOG_PATH: "/dev/watchdog0",
    SBD_TIMEOUT_SECONDS: "10",
    SBD_WATCHDOG_TIMEOUT_SECONDS: "5",
    SBD_ON_STORAGE_LOSS: "SelfFence",
    SBD_CONFIG_UID: "uid-7",
    SBD_CLUSTER_UID: "cluster-1",
    SBD_REBOOT_METHOD: "systemctl-reboot",
    SBD_DETECT_ONLY: "false",
    SBD_ACCEPT_UNVERIFIED_WATCHDOGS: "false",
    SBD_LOG_LEVEL: "debug",
    SBD_METRICS_PORT: "9100",
    SBD_HOST_ROOT: "/host",
    NODE_OPTIONS: "--max-semi-space-size=1",
  });
  assert.deepEqual(ports, [{ name: "metrics", containerPort: 9_100, protocol: "TCP" }]);
});

test("the shared device is a block device of the claim, and the host's /dev and /run are directories", () => {
  const daemonSet = daemonSetOf({ sbdDevicePath: "/dev/shared" });
  const container = agentOf(daemonSet);
  const { volumes } = daemonSet.spec.template.spec;
  assert.deepEqual(container.volumeDevices, [
    { name: "sbd-block-device", devicePath: "/dev/shared" },
  ]);
  assert.deepEqual(
    volumes.find(({ name }) => name === "sbd-block-device"),
    {
      name: "sbd-block-device",
      persistentVolumeClaim: { claimName: "sbd-device" },
    },
  );
  const hostPaths = Object.fromEntries(
    volumes.flatMap(({ name, hostPath }) => (hostPath === undefined ? [] : [[name, hostPath]])),
  );
  assert.deepEqual(hostPaths["host-dev"], { path: "/dev", type: "Directory" });
  assert.deepEqual(hostPaths["host-run"], { path: "/run/sbd-agent", type: "DirectoryOrCreate" });
  const mounted = container.volumeMounts.map(({ name }) => name).toSorted();
  assert.deepEqual(mounted, Object.keys(hostPaths).toSorted());
  for (const { name, mountPath } of container.volumeMounts) {
    assert.equal(mountPath, `/host${(hostPaths[name] as { path: string }).path}`);
  }
});

test("image, pull policy, selector, tolerations and exclusions are the config's", () => {
  const daemonSet = daemonSetOf({
    image: "registry/agent:1",
    imagePullPolicy: "Always",
    nodeSelector: { rack: "a" },
    nodeExclusionList: ["worker-8", "worker-9"],
    tolerations: [{ key: "only", operator: "Exists" }],
  });
  const container = agentOf(daemonSet);
  assert.deepEqual([container.image, container.imagePullPolicy], ["registry/agent:1", "Always"]);
  const pod = daemonSet.spec.template.spec;
  assert.deepEqual(pod["nodeSelector"], { rack: "a", "kubernetes.io/os": "linux" });
  assert.deepEqual(pod["tolerations"], [{ key: "only", operator: "Exists" }]);
  const excluded = JSON.stringify(pod["affinity"]);
  // Terms are alternatives, so all exclusions must stand in one.
  assert.equal(excluded.match(/matchFields/g)?.length, 1);
  for (const name of ["worker-8", "worker-9"]) {
    assert.ok(
      excluded.includes(`{"key":"metadata.name","operator":"NotIn","values":["${name}"]}`),
      excluded,
    );
  }
  assert.equal(agentOf(daemonSetOf()).image, "sbd-agent:test");
});

test("the DaemonSet is applied at every look, and announced once", () => {
  const cluster = new Cluster({ nodes: 0 });
  cluster.api.create(
    "SBDConfig",
    { name: "two" },
    {
      spec: { sbdDevicePVCName: "b", sbdTimeoutSeconds: 10, sbdWatchdogPath: "/dev/watchdog" },
    },
  );
  cluster.settle();
  const trace = cluster.takeTrace();
  assert.ok(trace.includes("apply sbd-agent-two"));
  assert.ok(
    trace.includes(
      "event Normal DaemonSetManaged two: DaemonSet 'sbd-agent-two' for SBD Agent managed.",
    ),
  );
  assert.ok(
    trace.includes(
      "event Normal SBDConfigReconciled two: SBDConfig 'two' successfully reconciled.",
    ),
  );
  cluster.pass(5_000);
  assert.equal(
    cluster.takeTrace().some((line) => line.startsWith("event")),
    false,
  );
});

test("the status counts nodes, agents and armed agents, and shows the arithmetic of M", () => {
  const cluster = new Cluster();
  const read = (): ConfigStatus => cluster.api.get("SBDConfig", "default")?.status as ConfigStatus;
  const status = read();
  assert.deepEqual(
    [
      status.nodes,
      status.agentsReady,
      status.agentsArmed,
      status.watchdogTimeoutSeconds,
      status.boundSeconds,
    ],
    [3, 3, 3, 5, 22],
  );
  assert.deepEqual(readyOf(status), ["True", "AllNodesArmed"]);
  assert.match(status.message, /3 of 3 nodes are armed; M = .*10 s \+ 2 × 5 s \+ 2 s = 22 s/);
  assert.equal(status.observedGeneration, 1);

  cluster.silence("worker-2");
  cluster.agentReports("default-3", { armed: false });
  cluster.nowMs += QUIET_SILENCE_MS;
  cluster.agentReports("default-1", { lastPassTime: wallAt(cluster.nowMs) });
  cluster.agentReports("default-3", { lastPassTime: wallAt(cluster.nowMs) });
  cluster.settle();
  assert.deepEqual([read().agentsReady, read().agentsArmed], [2, 1]);
  assert.deepEqual(readyOf(read()), ["False", "NodesNotArmed"]);
});

test("impossible times: no slots, no agents, and the reason in the status", () => {
  const cluster = new Cluster({ nodes: 0 });
  cluster.addNode("worker-1");
  cluster.api.delete("SBDConfig", "default");
  cluster.api.create(
    "SBDConfig",
    { name: "bad" },
    {
      spec: { sbdDevicePVCName: "b", sbdTimeoutSeconds: 1, sbdWatchdogPath: "/dev/watchdog" },
    },
  );
  cluster.settle();
  const status = cluster.api.get("SBDConfig", "bad")?.status as ConfigStatus;
  assert.deepEqual(readyOf(status), ["False", "InvalidTiming"]);
  assert.match(status.message, /T \(sbdTimeoutSeconds\) must be 3 s to 3600 s/);
  assert.deepEqual(cluster.api.list("SBDNode"), []);
  assert.equal(
    cluster.takeTrace().some((line) => line.startsWith("apply")),
    false,
  );
});

type ConfigStatus = {
  nodes: number;
  agentsReady: number;
  agentsArmed: number;
  watchdogTimeoutSeconds: number;
  boundSeconds: number;
  observedGeneration: number;
  message: string;
  conditions: { type: string; status: string; reason: string }[];
};

function readyOf({ conditions }: ConfigStatus): readonly [string, string] {
  const ready = conditions.find(({ type }) => type === "Ready");
  assert.ok(ready);
  return [ready.status, ready.reason];
}
