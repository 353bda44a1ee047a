import assert from "node:assert/strict";
import { test } from "node:test";

import { bootOf, Cluster, rowOf } from "./scenarios/cluster.ts";

const OUT_OF_SERVICE = "node.kubernetes.io/out-of-service:NoExecute";

/** A node lost with one pod and one attachment, proven dead as the strategy is to release it. */
function proven(strategy?: string): Cluster {
  const cluster = new Cluster();
  cluster.addPod("app", "worker-1");
  cluster.addAttachment("disk", "worker-1");
  cluster.lose("worker-1");
  cluster.createRemediation("req", {
    nodeName: "worker-1",
    ...(strategy === undefined ? {} : { strategy }),
  });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.settle();
  cluster.takeTrace();
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  return cluster;
}

function isOutOfService(cluster: Cluster): boolean {
  return cluster.taints("worker-1").includes(OUT_OF_SERVICE);
}

function succeeded(cluster: Cluster): string {
  return rowOf(cluster.status("req")).find((line) => line.startsWith("Succeeded")) ?? "";
}

for (const strategy of [undefined, "Automatic", "OutOfServiceTaint"]) {
  test(`${strategy ?? "no strategy"}: out of service, and pods are deleted, until all is gone`, () => {
    const cluster = proven(strategy);
    assert.equal(isOutOfService(cluster), true);
    const released = cluster.takeTrace().filter((line) => /^delete|out-of-service/.test(line));
    assert.match(released[0] ?? "", /^taints worker-1 .*out-of-service/);
    assert.deepEqual(released.slice(1), ["delete pod app grace=0"]);
    assert.equal(succeeded(cluster), "Succeeded Unknown RemediationStarted");
    assert.match(cluster.status("req").message ?? "", /0 pod\(s\) and 1 volume attachment\(s\)/);
    cluster.api.delete("VolumeAttachment", "disk");
    cluster.settle();
    assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
  });
}

test("out of service goes as soon as the Node shows another boot, Ready or not, and stays gone", () => {
  const cluster = proven();
  assert.equal(isOutOfService(cluster), true);
  cluster.reboot("worker-1", 2, "False");
  cluster.settle();
  assert.equal(isOutOfService(cluster), false);
  cluster.setReady("worker-1", "Unknown");
  cluster.pass(30_000);
  assert.equal(isOutOfService(cluster), false);
});

test("after success, too, out of service goes with the boot", () => {
  const cluster = proven();
  cluster.api.delete("Pod", "app");
  cluster.api.delete("VolumeAttachment", "disk");
  cluster.settle();
  assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
  assert.equal(isOutOfService(cluster), true);
  cluster.reboot("worker-1", 2);
  cluster.settle();
  assert.equal(isOutOfService(cluster), false);
  assert.deepEqual(cluster.taints("worker-1"), ["medik8s.io/sbd-remediation:NoExecute"]);
});

test("the Node came back with another boot before the proof: never out of service, pods end in order", () => {
  const cluster = new Cluster();
  cluster.addPod("app", "worker-1");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reboot("worker-1", 2);
  cluster.takeTrace();
  cluster.reportProven("req", "worker-1", "Rebooted");
  cluster.settle();
  const trace = cluster.takeTrace();
  assert.deepEqual(
    trace.filter((line) => line.startsWith("delete")),
    ["delete pod app grace=null"],
  );
  assert.equal(
    trace.some((line) => line.includes("out-of-service")),
    false,
  );
  cluster.api.delete("Pod", "app");
  cluster.settle();
  assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
});

test("the Node still shows Ready from before its death: not out of service until it does not", () => {
  const cluster = new Cluster();
  cluster.addPod("app", "worker-1");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportProven("req", "worker-1", "Acknowledged");
  cluster.settle();
  assert.equal(isOutOfService(cluster), false);
  cluster.setReady("worker-1", "Unknown");
  cluster.settle();
  assert.equal(isOutOfService(cluster), true);
});

test("ResourceDeletion: pods of the dead boot are deleted without grace, and no out of service", () => {
  const cluster = proven("ResourceDeletion");
  assert.equal(isOutOfService(cluster), false);
  assert.equal(cluster.api.get("Pod", "app"), null);
  assert.ok(cluster.takeTrace().includes("delete pod app grace=0"));
  assert.equal(succeeded(cluster), "Succeeded Unknown RemediationStarted");
  cluster.api.delete("VolumeAttachment", "disk");
  cluster.settle();
  assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
});

test("None: fenced and finished, pods and attachments are left as they are", () => {
  const cluster = proven("None");
  assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
  assert.equal(isOutOfService(cluster), false);
  assert.notEqual(cluster.api.get("Pod", "app"), null);
});

test("before the proof nothing is deleted and nothing put out of service", () => {
  const cluster = new Cluster();
  cluster.addPod("app", "worker-1");
  cluster.addAttachment("disk", "worker-1");
  cluster.lose("worker-1");
  cluster.createRemediation("req", { nodeName: "worker-1", strategy: "ResourceDeletion" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.pass(120_000);
  assert.equal(
    cluster.takeTrace().some((line) => /delete pod|out-of-service/.test(line)),
    false,
  );
});

function using(claimName: string): readonly object[] {
  return [{ name: "data", persistentVolumeClaim: { claimName } }];
}

test("attachments of what stays on the node are not waited for: the device, and what DaemonSets mount", () => {
  const cluster = new Cluster();
  cluster.addPod("app", "worker-1", { volumes: using("app-data") });
  cluster.addAttachment("pv-app", "worker-1", "app-data");
  cluster.addPod("scratch", "worker-1", { volumes: [{ name: "tmp", ephemeral: {} }] });
  cluster.addAttachment("pv-scratch", "worker-1", "scratch-tmp");
  const everything = [{ operator: "Exists" }];
  cluster.addPod("agent-1", "worker-1", { tolerations: everything, volumes: using("device") });
  cluster.addAttachment("pv-device", "worker-1", "device");
  cluster.lose("worker-1");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.settle();
  cluster.reportProven("req", "worker-1", "Acknowledged");
  cluster.settle();
  assert.match(cluster.status("req").message ?? "", /0 pod\(s\) and 2 volume attachment\(s\)/);
  cluster.api.delete("VolumeAttachment", "pv-app");
  cluster.settle();
  assert.equal(succeeded(cluster), "Succeeded Unknown RemediationStarted");
  cluster.api.delete("VolumeAttachment", "pv-scratch");
  cluster.settle();
  assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
  assert.notEqual(cluster.api.get("VolumeAttachment", "pv-device"), null);
});

test("the work of other nodes is not touched", () => {
  const cluster = new Cluster();
  cluster.addPod("other", "worker-2");
  cluster.addAttachment("other-disk", "worker-2");
  cluster.lose("worker-1");
  cluster.createRemediation("req", { nodeName: "worker-1", strategy: "ResourceDeletion" });
  cluster.settle();
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
  assert.notEqual(cluster.api.get("Pod", "other"), null);
});

const TOLERANT: Readonly<Record<string, readonly object[]>> = {
  everything: [{ operator: "Exists" }],
  "every NoExecute": [{ operator: "Exists", effect: "NoExecute" }],
  "our key": [{ key: "medik8s.io/sbd-remediation", operator: "Exists" }],
  "our key and no value": [{ key: "medik8s.io/sbd-remediation", effect: "NoExecute" }],
};
for (const [what, tolerations] of Object.entries(TOLERANT)) {
  test(`a pod that tolerates ${what} is not waited for`, () => {
    const cluster = new Cluster();
    cluster.addPod("tolerant", "worker-1", { tolerations });
    cluster.lose("worker-1");
    cluster.createRemediation("req", { nodeName: "worker-1" });
    cluster.settle();
    cluster.reportProven("req", "worker-1");
    cluster.settle();
    assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
  });
}

const EVICTED: Readonly<Record<string, readonly object[]>> = {
  nothing: [],
  "another key": [{ key: "node.kubernetes.io/not-ready", operator: "Exists" }],
  "NoSchedule alone": [{ operator: "Exists", effect: "NoSchedule" }],
  "another value": [{ key: "medik8s.io/sbd-remediation", value: "x" }],
  "everything for a while": [{ operator: "Exists", tolerationSeconds: 300 }],
};
for (const [what, tolerations] of Object.entries(EVICTED)) {
  test(`a pod that tolerates ${what} is deleted`, () => {
    const cluster = new Cluster();
    cluster.addPod("app", "worker-1", { tolerations });
    cluster.lose("worker-1");
    cluster.createRemediation("req", { nodeName: "worker-1" });
    cluster.settle();
    cluster.reportProven("req", "worker-1");
    cluster.settle();
    assert.ok(cluster.takeTrace().includes("delete pod app grace=0"));
    assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
  });
}

test("what a finalizer holds is deleted once, and waited for", () => {
  const cluster = new Cluster();
  cluster.addPod("app", "worker-1", {}, { finalizers: ["their/finalizer"] });
  cluster.lose("worker-1");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportProven("req", "worker-1");
  cluster.pass(60_000);
  const deletions = cluster.takeTrace().filter((line) => line.startsWith("delete"));
  assert.deepEqual(deletions, ["delete pod app grace=0"]);
  assert.equal(succeeded(cluster), "Succeeded Unknown RemediationStarted");
  cluster.api.change("Pod", "app", ({ metadata }) => {
    metadata.finalizers = [];
  });
  cluster.settle();
  assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
});

test("finished pods and mirrors of static pods are not waited for", () => {
  const cluster = new Cluster();
  for (const phase of ["Succeeded", "Failed"]) {
    cluster.api.create(
      "Pod",
      { name: `job-${phase.toLowerCase()}`, namespace: "apps" },
      {
        spec: { nodeName: "worker-1" },
        status: { phase },
      },
    );
  }
  cluster.api.create(
    "Pod",
    {
      name: "static",
      namespace: "kube-system",
      annotations: { "kubernetes.io/config.mirror": "hash" },
    },
    { spec: { nodeName: "worker-1" }, status: { phase: "Running" } },
  );
  cluster.lose("worker-1");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  assert.equal(succeeded(cluster), "Succeeded True RemediationFinishedSuccessfully");
});

test("released again and proven again: a second request for a later boot starts from nothing", () => {
  const cluster = proven();
  cluster.api.delete("Pod", "app");
  cluster.api.delete("VolumeAttachment", "disk");
  cluster.settle();
  cluster.reboot("worker-1", 2);
  cluster.settle();
  cluster.api.delete("SBDRemediation", "req");
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), []);
  cluster.lose("worker-1");
  cluster.addPod("app-2", "worker-1");
  cluster.createRemediation("again", { nodeName: "worker-1" });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), ["medik8s.io/sbd-remediation:NoExecute"]);
  assert.equal(cluster.status("again").phase, "Pending");
  assert.equal(cluster.node("worker-1").status?.nodeInfo?.bootID, bootOf("worker-1", 2));
});
