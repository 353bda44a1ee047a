import assert from "node:assert/strict";
import { test } from "node:test";

import { Cluster, QUIET_SILENCE_MS } from "./scenarios/cluster.ts";

type Condition = { type: string; status: string; reason: string; message: string };

function conditionOf(cluster: Cluster, type: string, config = "default"): Condition {
  const { conditions } = (cluster.api.get("SBDConfig", config)?.status ?? {}) as {
    conditions: Condition[];
  };
  const found = conditions.find((condition) => condition.type === type);
  assert.ok(found, type);
  return found;
}

function changeClaim(
  cluster: Cluster,
  spec: Readonly<Record<string, unknown>>,
  status: Readonly<Record<string, unknown>> = { phase: "Bound" },
): void {
  cluster.api.change("PersistentVolumeClaim", "sbd-device", (claim) => {
    claim.spec = spec;
    claim.status = status;
  });
  cluster.settle();
}

const BLOCK = { accessModes: ["ReadWriteMany"], volumeMode: "Block" };

test("a bound block claim that every node can attach is ready", () => {
  const cluster = new Cluster();
  const { status, reason } = conditionOf(cluster, "StorageReady");
  assert.deepEqual([status, reason], ["True", "ClaimBound"]);
});

test("a filesystem of many nodes is ready too", () => {
  const cluster = new Cluster();
  changeClaim(cluster, { accessModes: ["ReadWriteMany"], volumeMode: "Filesystem" });
  assert.equal(conditionOf(cluster, "StorageReady").status, "True");
});

const TROUBLES = [
  ["ReadWriteOnce, block", { accessModes: ["ReadWriteOnce"], volumeMode: "Block" }, "Bound"],
  ["ReadWriteOnce, filesystem", { accessModes: ["ReadWriteOnce"] }, "Bound"],
  ["unbound", BLOCK, "Pending"],
  ["lost", BLOCK, "Lost"],
] as const;
const REASONS = ["WrongAccessMode", "WrongVolumeMode", "ClaimNotBound", "ClaimLost"] as const;

for (const [index, [what, spec, phase]] of TROUBLES.entries()) {
  const reason = REASONS[index];
  test(`a claim that is ${what}: ${reason}, said once by an event`, () => {
    const cluster = new Cluster();
    changeClaim(cluster, spec, { phase });
    const condition = conditionOf(cluster, "StorageReady");
    assert.deepEqual([condition.status, condition.reason], ["False", reason]);
    cluster.pass(QUIET_SILENCE_MS);
    const events = cluster.takeTrace().filter((line) => line.startsWith(`event Warning ${reason}`));
    assert.deepEqual(events, [`event Warning ${reason} default: ${condition.message}`]);
  });
}

test("a claim that is missing or going: which it is, and no agent is started anew for it", () => {
  const cluster = new Cluster();
  changeClaim(cluster, { accessModes: ["ReadWriteMany"] });
  const before = cluster.api.get("DaemonSet", "sbd-agent-default")?.spec;
  cluster.api.change("PersistentVolumeClaim", "sbd-device", ({ metadata }) => {
    metadata.finalizers = ["kubernetes.io/pvc-protection"];
  });
  cluster.api.delete("PersistentVolumeClaim", "sbd-device");
  cluster.settle();
  assert.equal(conditionOf(cluster, "StorageReady").reason, "ClaimDeleted");
  cluster.api.change("PersistentVolumeClaim", "sbd-device", ({ metadata }) => {
    metadata.finalizers = [];
  });
  cluster.settle();
  assert.equal(conditionOf(cluster, "StorageReady").reason, "ClaimNotFound");
  assert.deepEqual(cluster.api.get("DaemonSet", "sbd-agent-default")?.spec, before);
  // Agents that are armed go on: nothing is wrong with the nodes yet.
  assert.equal(conditionOf(cluster, "Ready").status, "True");
});

test("the younger of two SBDConfigs on one claim is told whose it is, and initialises nothing", () => {
  const cluster = new Cluster();
  cluster.nowMs += 1_000;
  cluster.api.create(
    "SBDConfig",
    { name: "a-younger" },
    {
      spec: {
        sbdDevicePVCName: "sbd-device",
        sbdTimeoutSeconds: 10,
        sbdWatchdogPath: "/dev/watchdog",
        nodeSelector: { rack: "b" },
      },
    },
  );
  cluster.settle();
  const storage = conditionOf(cluster, "StorageReady", "a-younger");
  assert.equal(storage.reason, "ClaimShared");
  assert.match(storage.message, /SBDConfig default's/);
  assert.equal(conditionOf(cluster, "StorageReady").status, "True");
  assert.equal(cluster.api.get("Job", "sbd-device-init-a-younger"), null);
});

test("while no agent is armed, Ready says what is wrong with the storage first", () => {
  const cluster = new Cluster();
  for (const name of ["worker-1", "worker-2", "worker-3"]) {
    cluster.silence(name);
  }
  cluster.pass(QUIET_SILENCE_MS);
  assert.equal(conditionOf(cluster, "Ready").reason, "NodesNotArmed");
  cluster.api.delete("PersistentVolumeClaim", "sbd-device");
  cluster.settle();
  assert.equal(conditionOf(cluster, "Ready").reason, "ClaimNotFound");
});

type Pod = {
  containers: {
    volumeDevices: object[];
    volumeMounts: { name: string; mountPath: string }[];
  }[];
  volumes: { name: string }[];
};

/** Each pod's device: `block <path>` or `directory <path>`. */
function devices(cluster: Cluster): Readonly<Record<string, string>> {
  const pods = (["DaemonSet", "Deployment", "Job"] as const).flatMap((kind) =>
    cluster.api.list(kind).map(({ spec }) => {
      const { template } = spec as { template: { spec: Pod } };
      return { kind, pod: template.spec };
    }),
  );
  return Object.fromEntries(
    pods.map(({ kind, pod: { containers, volumes } }) => {
      assert.ok(volumes.some(({ name }) => name === "sbd-block-device"));
      const [container] = containers;
      const mounted = container?.volumeMounts.find(({ name }) => name === "sbd-block-device");
      const attached = container?.volumeDevices as { devicePath: string }[];
      return mounted === undefined
        ? [kind, `block ${attached[0]?.devicePath}`]
        : [kind, `directory ${mounted.mountPath}`];
    }),
  );
}

test("agents, fencers and the Job see the device as the claim has it", () => {
  const cluster = new Cluster({ config: { fencerPlacement: "Operator" } });
  assert.deepEqual(devices(cluster), {
    DaemonSet: "block /dev/sbd-watchdog",
    Deployment: "block /mnt/sbd-operator-device",
    Job: "block /mnt/sbd-device",
  });
  cluster.api.delete("Job", "sbd-device-init-default");
  for (const name of ["worker-1", "worker-2", "worker-3"]) {
    cluster.silence(name);
  }
  changeClaim(cluster, { accessModes: ["ReadWriteMany"], volumeMode: "Filesystem" });
  assert.deepEqual(devices(cluster), {
    DaemonSet: "directory /dev/sbd-watchdog",
    Deployment: "directory /mnt/sbd-operator-device",
    Job: "directory /mnt/sbd-device",
  });
});
