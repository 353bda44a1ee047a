import assert from "node:assert/strict";
import { test } from "node:test";

import { Cluster } from "./scenarios/cluster.ts";

const JOB = "sbd-device-init-default";

type Condition = { type: string; status: string; reason: string; message: string };

function deviceReady(cluster: Cluster): Condition {
  const { conditions } = (cluster.api.get("SBDConfig", "default")?.status ?? {}) as {
    conditions: Condition[];
  };
  const found = conditions.find(({ type }) => type === "DeviceReady");
  assert.ok(found);
  return found;
}

/** A cluster whose agents have not started yet. */
function newCluster(config: Readonly<Record<string, unknown>> = {}): Cluster {
  const cluster = new Cluster({ nodes: 0, config });
  cluster.addNode("worker-1");
  cluster.settle();
  return cluster;
}

/** The Job's pod ended so. */
function end(cluster: Cluster, exitCode: number, message: string): void {
  const { uid = "" } = cluster.api.get("Job", JOB)?.metadata ?? {};
  cluster.addPod(`${JOB}-1`, "worker-1");
  cluster.api.change("Pod", `${JOB}-1`, (pod) => {
    pod.metadata.ownerReferences = [{ apiVersion: "batch/v1", kind: "Job", name: JOB, uid }];
    pod.status = { containerStatuses: [{ state: { terminated: { exitCode, message } } }] };
  });
  cluster.settle();
}

/** Kubernetes removes a Job that has ended, and its pod. */
function expire(cluster: Cluster): void {
  cluster.api.delete("Pod", `${JOB}-1`);
  cluster.api.delete("Job", JOB);
  cluster.settle();
}

function initialised(outcome: "initialised" | "kept"): string {
  return JSON.stringify({ outcome, header: { deviceUuid: "7f1d4c6e" } });
}

function lines(cluster: Cluster, start: string): readonly string[] {
  return cluster.takeTrace().filter((line) => line.startsWith(start));
}

type PodSpec = Readonly<Record<string, unknown>> & {
  readonly containers: readonly {
    readonly args: readonly string[];
    readonly securityContext: object;
    readonly terminationMessagePath: string;
    readonly volumeMounts: readonly object[];
  }[];
  readonly volumes: readonly object[];
};

function podOf(cluster: Cluster): PodSpec {
  const { template } = (cluster.api.get("Job", JOB)?.spec ?? {}) as { template: { spec: PodSpec } };
  return template.spec;
}

test("the Job says the contract and both UIDs, and sees the claim alone", () => {
  const cluster = newCluster({ onStorageLoss: "SurviveWithApi" });
  const pod = podOf(cluster);
  const [container] = pod.containers;
  const uid = cluster.api.get("SBDConfig", "default")?.metadata.uid ?? "";
  assert.equal(
    container?.args.join(" "),
    `ctl device init /mnt/sbd-device --timeout-seconds 10 --watchdog-timeout-seconds 5 ` +
      `--on-storage-loss SurviveWithApi --cluster default --config-uid ${uid} ` +
      `--cluster-uid cluster-1 --living-config-uids none --result-file /dev/termination-log`,
  );
  assert.equal(container.terminationMessagePath, "/dev/termination-log");
  assert.deepEqual(pod.volumes, [
    { name: "sbd-block-device", persistentVolumeClaim: { claimName: "sbd-device" } },
  ]);
  assert.deepEqual(container.volumeMounts, []);
  assert.equal(pod["automountServiceAccountToken"], false);
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
});

test("other SBDConfigs that live are named to the Job, so that none of their devices is taken", () => {
  const cluster = new Cluster({ nodes: 0 });
  cluster.api.delete("Job", JOB);
  cluster.api.create(
    "SBDConfig",
    { name: "other" },
    {
      spec: { sbdDevicePVCName: "b", sbdTimeoutSeconds: 10, sbdWatchdogPath: "/dev/watchdog" },
    },
  );
  cluster.settle();
  const { uid = "" } = cluster.api.get("SBDConfig", "other")?.metadata ?? {};
  const args = podOf(cluster).containers[0]?.args ?? [];
  assert.equal(args[args.indexOf("--living-config-uids") + 1], uid);
});

for (const [outcome, told] of [
  ["initialised", /device 7f1d4c6e was initialised for this SBDConfig/],
  ["kept", /device 7f1d4c6e was this SBDConfig's already/],
] as const) {
  test(`a device that was ${outcome} is ready, and no Job looks at it again`, () => {
    const cluster = newCluster();
    assert.deepEqual(
      [deviceReady(cluster).status, deviceReady(cluster).reason],
      ["Unknown", "DeviceNotLookedAt"],
    );
    end(cluster, 0, initialised(outcome));
    assert.deepEqual(
      [deviceReady(cluster).status, deviceReady(cluster).reason],
      ["True", "DeviceInitialised"],
    );
    assert.match(deviceReady(cluster).message, told);
    expire(cluster);
    cluster.pass(120_000);
    assert.equal(cluster.api.get("Job", JOB), null);
    assert.equal(deviceReady(cluster).status, "True");
  });
}

test("a refusal is quoted, said once, and asked again once the Job is gone", () => {
  const cluster = newCluster();
  const message = "Not initialised, and nothing was written. It holds an ext4 filesystem.";
  cluster.takeTrace();
  end(cluster, 4, JSON.stringify({ refused: ["FOREIGN"], error: { code: "REFUSED", message } }));
  assert.deepEqual(
    [deviceReady(cluster).status, deviceReady(cluster).reason, deviceReady(cluster).message],
    ["False", "DeviceRefused", message],
  );
  expire(cluster);
  assert.notEqual(cluster.api.get("Job", JOB), null);
  assert.equal(deviceReady(cluster).message, message);
  end(cluster, 4, JSON.stringify({ error: { code: "REFUSED", message } }));
  assert.deepEqual(lines(cluster, "event Warning DeviceRefused"), [
    `event Warning DeviceRefused default: ${message}`,
  ]);
  expire(cluster);
  end(cluster, 0, initialised("initialised"));
  assert.equal(deviceReady(cluster).status, "True");
});

test("a program that died without a result, and a Job that ran out of time, are refusals", () => {
  const died = newCluster();
  end(died, 137, "");
  assert.equal(deviceReady(died).message, "exit code 137");
  const late = newCluster();
  late.api.change("Job", JOB, (job) => {
    job.status = {
      conditions: [{ type: "Failed", status: "True", reason: "DeadlineExceeded" }],
    };
  });
  late.settle();
  assert.match(deviceReady(late).message, /Job sbd-device-init-default failed: DeadlineExceeded/);
});

test("a pod that cannot start: why, while the device's state is not known", () => {
  const waiting = newCluster();
  const { uid = "" } = waiting.api.get("Job", JOB)?.metadata ?? {};
  waiting.addPod(`${JOB}-1`, "worker-1");
  waiting.api.change("Pod", `${JOB}-1`, (pod) => {
    pod.metadata.ownerReferences = [{ apiVersion: "batch/v1", kind: "Job", name: JOB, uid }];
    pod.status = { containerStatuses: [{ state: { waiting: { reason: "ErrImagePull" } } }] };
  });
  waiting.settle();
  assert.equal(deviceReady(waiting).status, "Unknown");
  assert.match(deviceReady(waiting).message, /cannot start: its image cannot be pulled/);
});

test("no Job before the claim is bound", () => {
  const cluster = new Cluster({ nodes: 0 });
  cluster.api.delete("Job", JOB);
  cluster.api.change("PersistentVolumeClaim", "sbd-device", (claim) => {
    claim.status = { phase: "Pending" };
  });
  cluster.pass(5_000);
  assert.equal(cluster.api.get("Job", JOB), null);
  assert.match(deviceReady(cluster).message, /waits for the claim/);
});

test("a Job of an SBDConfig that is gone makes way", () => {
  const cluster = newCluster();
  cluster.api.change("Job", JOB, ({ metadata }) => {
    metadata.ownerReferences = [
      { apiVersion: "medik8s.io/v1alpha1", kind: "SBDConfig", name: "default", uid: "uid-old" },
    ];
  });
  cluster.takeTrace();
  cluster.settle();
  assert.deepEqual(lines(cluster, "delete"), [`delete ${JOB}`]);
  const owner = cluster.api.get("Job", JOB)?.metadata.ownerReferences?.[0];
  assert.equal(owner?.uid, cluster.api.get("SBDConfig", "default")?.metadata.uid);
});

test("agents that have read the SBDConfig's UID in the header: its device is ready, without a Job", () => {
  const cluster = newCluster();
  cluster.api.delete("Job", JOB);
  const { uid } = cluster.api.get("SBDConfig", "default")?.metadata ?? {};
  cluster.agentReports("default-1", {
    deviceUUID: "7f1d4c6e",
    contract: { ...cluster.header, configUID: uid },
  });
  cluster.settle();
  assert.equal(deviceReady(cluster).status, "True");
  assert.match(deviceReady(cluster).message, /agents work on device 7f1d4c6e/);
  const { status } = cluster.api.get("SBDConfig", "default") as { status?: object };
  assert.deepEqual(Object(status).deviceUUID, "7f1d4c6e", "and the status names it");
  assert.equal(cluster.api.get("Job", JOB), null);
});
