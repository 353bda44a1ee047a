import assert from "node:assert/strict";
import { test } from "node:test";

import { merge } from "./scenarios/api-model.ts";
import { bootOf, Cluster, M_MS, rowOf } from "./scenarios/cluster.ts";

const TAINT = "medik8s.io/sbd-remediation";

function slotNameOf(cluster: Cluster, nodeName: string): string {
  return cluster.slotOf(nodeName)?.metadata.name ?? assert.fail(`no slot of ${nodeName}`);
}

test("a request walks through every row of the table, each write after the one it needs", () => {
  const cluster = new Cluster();
  cluster.lose("worker-1");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.round();
  assert.deepEqual(rowOf(cluster.status("req")), [
    "Pending",
    "Processing True RemediationStarted",
    "FencingSucceeded Unknown RemediationStarted",
    "Succeeded Unknown RemediationStarted",
  ]);
  assert.equal(cluster.status("req").nodeName, "worker-1");
  assert.equal(cluster.status("req").nodeUID, cluster.node("worker-1").metadata.uid);
  cluster.settle();
  assert.deepEqual(
    cluster.takeTrace().filter((line) => !line.startsWith("apply")),
    [
      "status req Pending",
      "event Normal FencingInitiated req: Fencing initiated for node 'worker-1' via SBD.",
      "finalizers req [medik8s.io/sbd-remediation]",
      `taints worker-1 [${TAINT}:NoSchedule]`,
      `taints worker-1 [${TAINT}:NoExecute]`,
      "status req Pending agent=worker-2",
      "event Normal FencerNamed req: worker-2 is named to fence it",
      "status req Pending",
    ],
  );

  cluster.reportDurable("req", "worker-1", { missing: ["BOUND: 22 s to go"] });
  cluster.settle();
  assert.deepEqual(rowOf(cluster.status("req")), [
    "FencingInProgress",
    "Processing True RemediationStarted",
    "FencingSucceeded Unknown ProofPending",
    "Succeeded Unknown RemediationStarted",
  ]);
  assert.equal(cluster.status("req").message, "BOUND: 22 s to go");
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`]);
  cluster.pass(5_000);
  assert.deepEqual(
    cluster.takeTrace().filter((line) => line.startsWith("event")),
    [
      `event Normal MessageDurable req: The message of worker-2, epoch 1, to boot ${bootOf("worker-1")} is durable.`,
    ],
    "once",
  );

  cluster.addPod("app", "worker-1");
  cluster.addAttachment("disk", "worker-1");
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  assert.equal(cluster.api.get("Pod", "app"), null);
  assert.deepEqual(rowOf(cluster.status("req")), [
    "FencingInProgress",
    "Processing True RemediationStarted",
    "FencingSucceeded True FencingCompleted",
    "Succeeded Unknown RemediationStarted",
  ]);
  const fenced = cluster.status("req").conditions?.find(({ type }) => type === "FencingSucceeded");
  assert.equal(fenced?.message, "Node successfully fenced via SBD.");
  assert.ok(
    cluster
      .takeTrace()
      .includes("event Normal NodeFenced req: Node 'worker-1' successfully fenced via SBD."),
  );

  cluster.api.delete("VolumeAttachment", "disk");
  cluster.settle();
  assert.deepEqual(rowOf(cluster.status("req")), [
    "FencedSuccessfully",
    "Processing False RemediationFinishedSuccessfully",
    "FencingSucceeded True FencingCompleted",
    "Succeeded True RemediationFinishedSuccessfully",
    "Ready True Succeeded",
  ]);
  const ready = cluster.status("req").conditions?.find(({ type }) => type === "Ready");
  assert.equal(ready?.message, "Fencing completed successfully.");
});

test("a condition keeps its transition time while its status stays", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  const began = cluster
    .status("req")
    .conditions?.map(({ lastTransitionTime }) => lastTransitionTime);
  cluster.pass(5_000);
  cluster.reportDurable("req", "worker-1");
  cluster.pass(5_000);
  assert.equal(cluster.status("req").phase, "FencingInProgress");
  assert.deepEqual(
    cluster.status("req").conditions?.map(({ lastTransitionTime }) => lastTransitionTime),
    began,
  );
});

test("the taint is not there: nobody is named, and it is set anew before anything else", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.round();
  cluster.round();
  cluster.round();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoSchedule`]);
  cluster.api.change("Node", "worker-1", (node) => {
    node.spec = {};
  });
  cluster.round();
  assert.equal(cluster.fencer("req"), "");
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoSchedule`]);
  cluster.settle();
  assert.equal(cluster.fencer("req"), "worker-2");
});

test("other people's taints and finalizers stay", () => {
  const cluster = new Cluster();
  cluster.api.change("Node", "worker-1", (node) => {
    node.spec = { taints: [{ key: "theirs", effect: "NoSchedule" }] };
  });
  cluster.createRemediation("req", {
    nodeName: "worker-1",
    metadata: { finalizers: ["their/finalizer"] },
  });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`, "theirs:NoSchedule"]);
  const finalizers = cluster.api.get("SBDRemediation", "req")?.metadata.finalizers;
  assert.deepEqual(finalizers, ["their/finalizer", "medik8s.io/sbd-remediation"]);
});

test("NoExecute comes before the naming of a fencer, on a node that is lost", () => {
  const cluster = new Cluster();
  cluster.lose("worker-1");
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  const trace = cluster.takeTrace();
  const tainted = trace.indexOf(`taints worker-1 [${TAINT}:NoExecute]`);
  assert.ok(tainted >= 0 && tainted < trace.indexOf("status req Pending agent=worker-2"));
});

test("and on one that is Ready where its agent is armed in that boot", () => {
  const cluster = new Cluster();
  cluster.settle();
  cluster.agentReports(slotNameOf(cluster, "worker-1"), { bootID: bootOf("worker-1", 1) });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`]);
});

test("on one that is Ready and whose agent is armed in no boot or another it comes with the durable message", () => {
  const cluster = new Cluster();
  cluster.settle();
  cluster.agentReports(slotNameOf(cluster, "worker-1"), { bootID: bootOf("worker-1", 2) });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.fencerReports("req", { state: "Writing", epoch: 1 });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoSchedule`]);
  cluster.reportDurable("req", "worker-1");
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`]);
});

for (const strategy of ["Automatic", "OutOfServiceTaint", "ResourceDeletion", "None"]) {
  test(`NoExecute comes with an administrator's word before any message, strategy ${strategy}`, () => {
    const cluster = new Cluster();
    cluster.createRemediation("req", { nodeName: "worker-1", strategy });
    cluster.settle();
    const uid = cluster.api.get("SBDRemediation", "req")?.metadata.uid ?? "";
    confirm(cluster, "req", { requestUID: "of-an-earlier-request" });
    cluster.settle();
    assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoSchedule`]);
    confirm(cluster, "req", { requestUID: uid });
    cluster.settle();
    assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`]);
    assert.equal(rowOf(cluster.status("req"))[2], "FencingSucceeded Unknown RemediationStarted");
  });

  test(`no proof is shown before NoExecute stands, and it stands to the end, strategy ${strategy}`, () => {
    const cluster = new Cluster();
    cluster.createRemediation("req", { nodeName: "worker-1", strategy });
    cluster.settle();
    cluster.takeTrace();
    cluster.reportProven("req", "worker-1");
    cluster.settle();
    const [first, second] = cluster.takeTrace();
    assert.equal(first, `taints worker-1 [${TAINT}:NoExecute]`);
    assert.equal(second, "status req FencingInProgress");
    cluster.pass(5_000);
    assert.equal(cluster.status("req").phase, "FencedSuccessfully");
    assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`]);
    cluster.api.delete("SBDRemediation", "req");
    cluster.settle();
    assert.deepEqual(cluster.taints("worker-1"), []);
  });
}

test("an administrator's word for a node that nothing can fence raises NoExecute, too", () => {
  const cluster = new Cluster();
  cluster.addNode("worker-9", { "kubernetes.io/os": "windows" });
  cluster.createRemediation("req", { nodeName: "worker-9" });
  cluster.settle();
  const uid = cluster.api.get("SBDRemediation", "req")?.metadata.uid ?? "";
  confirm(cluster, "req", { requestUID: uid });
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-9"), [`${TAINT}:NoExecute`]);
});

function confirm(cluster: Cluster, name: string, { requestUID }: { requestUID: string }): void {
  cluster.api.change("SBDRemediation", name, (object) => {
    object.status = merge(object.status, {
      confirmation: {
        requestUID,
        bootID: bootOf("worker-1"),
        by: "alice",
        time: "2000-01-01T00:00:00Z",
      },
    });
  });
}

test("the node is the annotation, else nodeName, else the object's name", () => {
  const cluster = new Cluster();
  cluster.createRemediation("worker-1-abcde", { annotation: "worker-1" });
  cluster.createRemediation("by-hand", { nodeName: "worker-2" });
  cluster.createRemediation("worker-3");
  cluster.round();
  assert.equal(cluster.status("worker-1-abcde").nodeName, "worker-1");
  assert.equal(cluster.status("by-hand").nodeName, "worker-2");
  assert.equal(cluster.status("worker-3").nodeName, "worker-3");
});

test("two names that differ are refused, and neither node is touched", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { annotation: "worker-1", nodeName: "worker-2" });
  cluster.settle();
  assert.equal(rowOf(cluster.status("req"))[3], "Succeeded False FencingFailed");
  assert.match(cluster.status("req").message ?? "", /worker-1.*worker-2.*neither is fenced/);
  assert.deepEqual([...cluster.taints("worker-1"), ...cluster.taints("worker-2")], []);
  assert.equal(cluster.api.get("SBDRemediation", "req")?.metadata.finalizers, undefined);
});

test("no SBDNode names the node: said at once, failed at M and not before", () => {
  const cluster = new Cluster();
  cluster.addNode("worker-9", { "kubernetes.io/os": "windows" });
  cluster.createRemediation("req", { nodeName: "worker-9" });
  cluster.settle();
  assert.match(cluster.status("req").message ?? "", /no SBDNode names it.*fails after 22 s/);
  cluster.pass(M_MS - 1_000);
  assert.equal(rowOf(cluster.status("req"))[3], "Succeeded Unknown RemediationStarted");
  cluster.pass(1_000);
  assert.deepEqual(rowOf(cluster.status("req")), FAILED);
  assert.ok(
    cluster
      .takeTrace()
      .some((line) => line.startsWith("event Warning FencingFailed req: Failed to fence node")),
  );
});

test("two SBDNodes name the node: no evidence counts until one is gone, and nothing fails meanwhile", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.api.create(
    "SBDNode",
    { name: "default-9", finalizers: ["medik8s.io/sbd-node"] },
    { spec: { configName: "default", nodeName: "worker-1", nodeID: 9 } },
  );
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  assert.match(cluster.status("req").message ?? "", /two SBDNodes name it/);
  assert.notEqual(cluster.api.get("SBDNode", "default-9")?.metadata.deletionTimestamp, undefined);
  cluster.pass(M_MS);
  assert.equal(rowOf(cluster.status("req"))[2], "FencingSucceeded Unknown RemediationStarted");
});

test("two SBDNodes name the node, then one: the evidence counts", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.api.create(
    "SBDNode",
    { name: "default-9" },
    {
      spec: { configName: "default", nodeName: "worker-1", nodeID: 9 },
    },
  );
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  assert.equal(cluster.status("req").phase, "FencedSuccessfully");
});

test("unfencable is said at once, and final when its fencer says Failed", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  const unfencable = { code: "NOT_ARMED", detail: "its watchdog was never armed in this boot" };
  cluster.reportDurable("req", "worker-1", { unfencable });
  cluster.settle();
  assert.equal(cluster.status("req").message, unfencable.detail);
  assert.equal(rowOf(cluster.status("req"))[3], "Succeeded Unknown RemediationStarted");
  cluster.pass(M_MS);
  assert.equal(rowOf(cluster.status("req"))[3], "Succeeded Unknown RemediationStarted");
  cluster.fencerReports("req", { state: "Failed" });
  cluster.settle();
  assert.deepEqual(rowOf(cluster.status("req")), FAILED);
  assert.equal(cluster.status("req").message, unfencable.detail);
});

test("unfencable, but proven before M: proof wins", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1", {
    unfencable: { code: "NOT_ARMED", detail: "not armed" },
  });
  cluster.settle();
  cluster.reportProven("req", "worker-1", "ManuallyConfirmed");
  cluster.settle();
  assert.equal(cluster.status("req").phase, "FencedSuccessfully");
});

test("a failed request withdraws its fencer, so that a node which comes back is not written to", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.fencerReports("req", {
    state: "Failed",
    unfencable: { code: "NO_BOOT", detail: "nothing ever beat in its slot" },
  });
  cluster.settle();
  assert.deepEqual(rowOf(cluster.status("req")), FAILED);
  assert.equal(cluster.fencer("req"), "");
});

test("not proven at M and not unfencable: it keeps waiting and says what is missing", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1", { missing: ["no witness"] });
  cluster.pass(10 * M_MS);
  assert.equal(rowOf(cluster.status("req"))[2], "FencingSucceeded Unknown ProofPending");
  assert.equal(cluster.status("req").message, "no witness");
  cluster.reportProven("req", "worker-1", "Rebooted");
  cluster.settle();
  assert.equal(cluster.status("req").phase, "FencedSuccessfully");
});

test("timed out before proof: failed, and the fencer is withdrawn", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.lose("worker-1");
  cluster.settle();
  cluster.annotate("req", { "remediation.medik8s.io/nhc-timed-out": "2000-01-01T00:10:01Z" });
  cluster.settle();
  assert.deepEqual(rowOf(cluster.status("req")), [
    "Failed",
    "Processing False RemediationTimeoutByNHC",
    "FencingSucceeded False RemediationTimeoutByNHC",
    "Succeeded False RemediationTimeoutByNHC",
    "Ready True Failed",
  ]);
  assert.equal(cluster.fencer("req"), "");
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`]);
  cluster.pass(M_MS);
  assert.equal(cluster.fencer("req"), "");
});

const LEFT = { unfencable: { code: "LEFT", detail: "its agent left in order" } };

test("a Ready node of which nothing can be proven keeps its pods", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1", LEFT);
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoSchedule`]);
  cluster.setReady("worker-1", "Unknown");
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`]);
  cluster.setReady("worker-1", "True");
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoSchedule`]);
  cluster.reboot("worker-1", 2);
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`], "Rebooted may be proven");
});

test("NoExecute ends with the request that asked for it, where the node is Ready and not proven dead", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.settle();
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`]);
  cluster.fencerReports("req", { state: "Failed", ...LEFT });
  cluster.settle();
  assert.equal(cluster.status("req").phase, "Failed");
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoSchedule`]);
  cluster.createRemediation("again", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("again", "worker-1");
  cluster.pass(5_000);
  assert.deepEqual(cluster.taints("worker-1"), [`${TAINT}:NoExecute`], "another one needs it");
});

test("timed out after proof: success is sticky and is finished", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.addPod("app", "worker-1");
  cluster.settle();
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  assert.equal(rowOf(cluster.status("req"))[2], "FencingSucceeded True FencingCompleted");
  cluster.annotate("req", { "remediation.medik8s.io/nhc-timed-out": "2000-01-01T00:10:01Z" });
  cluster.api.delete("Pod", "app");
  cluster.settle();
  assert.equal(cluster.status("req").phase, "FencedSuccessfully");
});

test("the proof and the time-out are seen in one look: the proof counts", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportProven("req", "worker-1");
  cluster.annotate("req", { "remediation.medik8s.io/nhc-timed-out": "2000-01-01T00:10:01Z" });
  cluster.settle();
  assert.equal(cluster.status("req").phase, "FencedSuccessfully");
});

test("a failed request stays failed, whatever evidence comes", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.annotate("req", { "remediation.medik8s.io/nhc-timed-out": "2000-01-01T00:10:01Z" });
  cluster.settle();
  cluster.api.change("SBDRemediation", "req", (object) => {
    const status = object.status as { fencing: object };
    status.fencing = {
      ...status.fencing,
      evidence: {
        kind: "Rebooted",
        time: "2000-01-01T00:11:00Z",
        bootID: bootOf("worker-1"),
        detail: "late",
      },
    };
  });
  cluster.settle();
  assert.equal(rowOf(cluster.status("req"))[3], "Succeeded False RemediationTimeoutByNHC");
});

test("the Node object is gone: nothing is fenced", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.api.delete("Node", "worker-1");
  cluster.settle();
  assert.deepEqual(rowOf(cluster.status("req")), [
    "Failed",
    "Processing False RemediationSkippedNodeNotFound",
    "FencingSucceeded Unknown RemediationStarted",
    "Succeeded False RemediationSkippedNodeNotFound",
    "Ready True Failed",
  ]);
  assert.equal(cluster.fencer("req"), "");
});

test("another Node has the name by now: its machine was not asked to end", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.pass(2_000);
  cluster.api.delete("Node", "worker-1");
  cluster.addNode("worker-1");
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  assert.equal(rowOf(cluster.status("req"))[3], "Succeeded False RemediationSkippedNodeNotFound");
  assert.match(cluster.status("req").message ?? "", /another one has its name/);
  assert.equal(cluster.fencer("req"), "");
});

test("an old cache of Nodes is no new Node", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.api.change("SBDRemediation", "req", (object) => {
    object.status = {
      ...(object.status as object),
      nodeUID: "one that this leader has not seen yet",
    };
  });
  cluster.settle();
  assert.notEqual(cluster.fencer("req"), "");
});

test("no Node of that name from the start: no condition speaks of fencing", () => {
  const cluster = new Cluster();
  cluster.createRemediation("no-such-node");
  cluster.settle();
  assert.deepEqual(rowOf(cluster.status("no-such-node")), [
    "Failed",
    "Processing False RemediationSkippedNodeNotFound",
    "Succeeded False RemediationSkippedNodeNotFound",
    "Ready True Failed",
  ]);
});

test("the Node goes after the proof: the request still succeeds", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.addPod("app", "worker-1");
  cluster.settle();
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  cluster.api.delete("Node", "worker-1");
  cluster.settle();
  assert.equal(cluster.status("req").phase, "FencedSuccessfully");
});

test("a node relabelled out of its config keeps its slot and is fenced to the end", () => {
  const cluster = new Cluster({ config: { nodeSelector: { sbd: "yes" } }, nodes: 0 });
  for (const name of ["worker-1", "worker-2", "worker-3"]) {
    cluster.addNode(name, { sbd: "yes" });
  }
  cluster.settle();
  cluster.resume("worker-2");
  cluster.pass(1_000);
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.api.change("Node", "worker-1", ({ metadata }) => {
    metadata.labels = { "kubernetes.io/os": "linux" };
  });
  cluster.pass(2_000);
  assert.equal(cluster.slotOf("worker-1")?.metadata.deletionTimestamp, undefined);
  assert.equal(cluster.fencer("req"), "worker-2");
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  assert.equal(cluster.status("req").phase, "FencedSuccessfully");
});

test("an SBDConfig with impossible times stops no request of others", () => {
  const cluster = new Cluster();
  cluster.api.create(
    "SBDConfig",
    { name: "broken" },
    {
      spec: {
        sbdDevicePVCName: "other",
        sbdTimeoutSeconds: 1,
        sbdWatchdogPath: "/dev/watchdog",
        nodeSelector: { nobody: "here" },
      },
    },
  );
  cluster.api.create(
    "SBDNode",
    { name: "broken-1", finalizers: ["medik8s.io/sbd-node"] },
    { spec: { configName: "broken", nodeName: "worker-8", nodeID: 1 } },
  );
  cluster.addNode("worker-8", { "kubernetes.io/os": "windows" });
  cluster.createRemediation("broken", { nodeName: "worker-8" });
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.fencer("req"), "worker-2");
  assert.equal(rowOf(cluster.status("broken"))[3], "Succeeded False FencingFailed");
  assert.match(
    JSON.stringify(cluster.api.get("SBDConfig", "broken")?.status),
    /InvalidTiming.*Cannot derive the timing contract/,
  );
});

const FAILED = [
  "Failed",
  "Processing False FencingFailed",
  "FencingSucceeded False FencingFailed",
  "Succeeded False FencingFailed",
  "Ready True Failed",
];

test("a request for an unknown node and one that is timed out are told by a Warning, once", () => {
  const cluster = new Cluster();
  cluster.createRemediation("nowhere", { nodeName: "worker-99" });
  cluster.createRemediation("late", { nodeName: "worker-1" });
  cluster.settle();
  cluster.annotate("late", { "remediation.medik8s.io/nhc-timed-out": "2000-01-01T00:00:00Z" });
  cluster.pass(5_000);
  const warnings = cluster.takeTrace().filter((line) => line.startsWith("event Warning"));
  assert.deepEqual(warnings, [
    "event Warning FencingFailed nowhere: Failed to fence node 'worker-99' via SBD: there is no Node worker-99: nothing is fenced",
    "event Warning FencingFailed late: Failed to fence node 'worker-1' via SBD: NodeHealthCheck timed the remediation out before the node was proven dead",
  ]);
});

test("a message that is longer than its field is cut, and the status written", () => {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.fencerReports("req", { missing: Array.from({ length: 32 }, () => "x".repeat(1_024)) });
  cluster.pass(2_000);
  assert.equal(cluster.status("req").message?.length, 4_096);
  assert.equal(cluster.status("req").phase, "FencingInProgress");
  cluster.takeTrace();
  cluster.pass(5_000);
  assert.deepEqual(cluster.takeTrace(), []);
});
