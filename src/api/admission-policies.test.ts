import assert from "node:assert/strict";
import { test } from "node:test";
import { SBD_NODE } from "./sbd-node.ts";
import type { SBD_REMEDIATION } from "./sbd-remediation.ts";
import { judge } from "./testing/admission-policy.ts";
import type { AdmissionRequest } from "./testing/admission-policy.ts";
import { manifestPaths, manifests } from "./testing/manifests.ts";

const ACCOUNT = "system:serviceaccount:sbd-system:";
const NODE_NAME = "authentication.kubernetes.io/node-name";
const POD_NAME = "authentication.kubernetes.io/pod-name";

type Change = Pick<AdmissionRequest, "object" | "oldObject">;

function agent(node: string, change: Change): AdmissionRequest {
  const extra = { [NODE_NAME]: [node], [POD_NAME]: ["sbd-agent-default-abcde"] };
  return { operation: "UPDATE", username: `${ACCOUNT}sbd-agent`, extra, ...change };
}

function fencer(pod: string, change: Change): AdmissionRequest {
  const extra = { [NODE_NAME]: ["worker-1"], [POD_NAME]: [pod] };
  return { operation: "UPDATE", username: `${ACCOUNT}sbd-fencer`, extra, ...change };
}

function somebody(username: string, change: Change): AdmissionRequest {
  return { operation: "UPDATE", username, ...change };
}

function sbdNode(nodeName: string, status?: object): object {
  return {
    metadata: { name: "default-7" },
    spec: { configName: "default", nodeName, nodeID: 7 },
    ...(status === undefined ? {} : { status }),
  };
}

function remediation(status?: object, spec: object = {}): object {
  return {
    metadata: {
      name: "x",
      uid: "uid-1",
      annotations: { "remediation.medik8s.io/node-name": "worker-1" },
    },
    spec,
    ...(status === undefined ? {} : { status }),
  };
}

function armed(nodeName: string): Change {
  return { oldObject: sbdNode(nodeName), object: sbdNode(nodeName, { armed: true }) };
}

test("an agent reports about its own node, and about no other", () => {
  assert.deepEqual(judge("agent-own-node.yaml", agent("worker-1", armed("worker-1"))), []);
  assert.match(
    judge("agent-own-node.yaml", agent("worker-1", armed("worker-2"))).join(),
    /token is of node worker-1, the SBDNode of node worker-2/,
  );
});

test("a token without a node reports nothing", () => {
  const object = sbdNode("worker-1");
  const request = somebody(`${ACCOUNT}sbd-agent`, { object, oldObject: object });
  assert.match(judge("agent-own-node.yaml", request).join(), /token names no node/);
});

test("an agent leaves the operator's part of an SBDNode alone", () => {
  for (const [part, value] of [
    ["slotTask", { id: "t1" }],
    ["fencings", [{ requestUID: "uid-1" }]],
    ["conditions", [{ type: "SlotConflict", status: "False" }]],
  ] as const) {
    const object = sbdNode("worker-1", { armed: true, [part]: value });
    const request = agent("worker-1", { object, oldObject: sbdNode("worker-1") });
    assert.match(judge("agent-own-node.yaml", request).join(), new RegExp(`status.${part}`));
    assert.ok(part in SBD_NODE.status.shape);
  }
});

test("the operator's writes are not an agent's", () => {
  const object = sbdNode("worker-2", { slotTask: { id: "t1" } });
  const request = somebody(`${ACCOUNT}sbd-operator`, { object, oldObject: sbdNode("worker-2") });
  assert.deepEqual(judge("agent-own-node.yaml", request), []);
});

/** Another value for every field of a request's status. */
const OTHER: { readonly [field in keyof typeof SBD_REMEDIATION.status.shape]: unknown } = {
  phase: "FencedSuccessfully",
  message: "done",
  conditions: [{ type: "Succeeded", status: "True" }],
  lastUpdateTime: "2026-01-01T00:00:00Z",
  observedGeneration: 2,
  nodeName: "worker-9",
  nodeUID: "node-uid",
  nodeBootID: "boot-9",
  fencing: { agent: "worker-2", epoch: 1, state: "Proven" },
  confirmation: { by: "kate", requestUID: "uid-1" },
};

const NAMED = { phase: "Pending", nodeName: "worker-1", fencing: { agent: "worker-2" } };
const REPORT = { ...NAMED, fencing: { agent: "worker-2", epoch: 1, state: "Durable" } };

test("the agent that the operator named reports how the fencing goes", () => {
  const change = { oldObject: remediation(NAMED), object: remediation(REPORT) };
  assert.deepEqual(judge("fencing-status.yaml", agent("worker-2", change)), []);
});

test("a fencer since replaced cannot declare", () => {
  const change = { oldObject: remediation(NAMED), object: remediation(REPORT) };
  assert.match(judge("fencing-status.yaml", agent("worker-3", change)).join(), /operator named/);
});

test("nobody names itself", () => {
  const own = { ...NAMED, fencing: { agent: "worker-3", epoch: 1 } };
  const change = { oldObject: remediation(NAMED), object: remediation(own) };
  assert.match(judge("fencing-status.yaml", agent("worker-3", change)).join(), /changed by the/);
  const first = { oldObject: remediation(), object: remediation(own) };
  assert.match(judge("fencing-status.yaml", agent("worker-3", first)).join(), /operator named/);
});

test("the target does not vouch for its own death, whichever way it is named", () => {
  const status = { fencing: { agent: "worker-1" } };
  const report = { fencing: { agent: "worker-1", epoch: 1, state: "Proven" } };
  const namings: ((status: object) => object)[] = [
    (status) => remediation(status),
    (status) => ({ metadata: { name: "worker-1" }, spec: {}, status }),
    (status) => ({ metadata: { name: "x" }, spec: { nodeName: "worker-1" }, status }),
    (status) => ({
      metadata: { name: "x" },
      spec: {},
      status: { ...status, nodeName: "worker-1" },
    }),
  ];
  for (const named of namings) {
    const change = { oldObject: named(status), object: named(report) };
    assert.deepEqual(judge("fencing-status.yaml", agent("worker-1", change)), [
      "a node does not report about its own fencing",
    ]);
  }
});

test("a fencer changes status.fencing alone, of all that status has", () => {
  for (const [field, value] of Object.entries(OTHER)) {
    if (field === "fencing") continue;
    const change = {
      oldObject: remediation(NAMED),
      object: remediation({ ...REPORT, [field]: value }),
    };
    assert.deepEqual(judge("fencing-status.yaml", agent("worker-2", change)), [
      "a fencer changes status.fencing only",
    ]);
  }
});

test("a fencer Deployment reports as the pod that the operator named it after", () => {
  const named = { fencing: { agent: "sbd-fencer-default" } };
  const report = { fencing: { agent: "sbd-fencer-default", epoch: 1 } };
  const change = { oldObject: remediation(named), object: remediation(report) };
  const judged = (pod: string): string[] => judge("fencing-status.yaml", fencer(pod, change));
  // It may run on the target: it is no less able to read the device there.
  assert.deepEqual(judged("sbd-fencer-default-5d4f8c7b9-x2x2x"), []);
  assert.match(judged("sbd-fencer-other-5d4f8c7b9-x2x2x").join(), /operator named/);
  assert.match(judged("sbd-fencer-default-b-5d4f8c7b9-x2x2x").join(), /operator named/);
});

function leased(pod: string, name: string): string[] {
  return judge("fencer-lease.yaml", fencer(pod, { object: { metadata: { name } } }));
}

test("a fencer renews the Lease of its own Deployment, and no leader's", () => {
  assert.deepEqual(leased("sbd-fencer-default-5d4f8c7b9-x2x2x", "sbd-fencer-default"), []);
  const pod = "sbd-fencer-default-b-5d4f8c7b9-x2x2x";
  assert.deepEqual(leased(pod, "sbd-fencer-default-b"), []);
  for (const lease of ["sbd-operator", "sbd-fencer-other", "sbd-fencer-default", pod]) {
    assert.match(leased(pod, lease).join(), /own Deployment only/);
  }
});

test("a fencer Deployment cannot take an agent's place", () => {
  const change = { oldObject: remediation(NAMED), object: remediation(REPORT) };
  assert.match(judge("fencing-status.yaml", fencer("worker-2-x", change)).join(), /operator named/);
});

function confirmed(by: string, requestUID: string): string[] {
  return judge(
    "confirmation.yaml",
    somebody("kate", {
      oldObject: remediation(NAMED),
      object: remediation({ ...NAMED, confirmation: { by, requestUID } }),
    }),
  );
}

test("an administrator confirms in his own name and for this request", () => {
  assert.deepEqual(confirmed("kate", "uid-1"), []);
  assert.match(confirmed("root", "uid-1").join(), /own name \(kate\)/);
  assert.match(confirmed("kate", "uid-0").join(), /this request \(uid-1\)/);
  assert.deepEqual(confirmed("kate (Kate Smith)", "uid-1"), []);
  assert.match(confirmed("katee", "uid-1").join(), /own name \(kate\)/);
});

test("neither an agent nor a fencer writes a confirmation", () => {
  // Exempt from the policy on confirmations, they are held by the one on fencers.
  const change = {
    oldObject: remediation(NAMED),
    object: remediation({ ...NAMED, confirmation: OTHER.confirmation }),
  };
  for (const request of [agent("worker-2", change), fencer("sbd-fencer-default-x", change)]) {
    assert.deepEqual(judge("confirmation.yaml", request), []);
    assert.notDeepEqual(judge("fencing-status.yaml", request), []);
  }
});

test("nobody writes any other part of a request's status by hand", () => {
  for (const [field, value] of Object.entries(OTHER)) {
    if (field === "confirmation") continue;
    const change = {
      oldObject: remediation(NAMED),
      object: remediation({ ...NAMED, [field]: value }),
    };
    assert.match(judge("confirmation.yaml", somebody("kate", change)).join(), /by hand/);
  }
});

function create(object: object): string[] {
  return judge("remediation-names-node.yaml", { operation: "CREATE", username: "kate", object });
}

test("a request names its node in the annotation or in nodeName", () => {
  assert.deepEqual(create(remediation()), []);
  assert.deepEqual(create({ metadata: { name: "x" }, spec: { nodeName: "worker-1" } }), []);
  assert.match(create({ metadata: { name: "worker-1" }, spec: {} }).join(), /must not be empty/);
  assert.match(create({ metadata: { name: "worker-1" } }).join(), /must not be empty/);
  assert.match(
    create(remediation(undefined, { nodeName: "worker-2" })).join(),
    /names node worker-1, spec.nodeName names node worker-2/,
  );
});

test("an edited annotation cannot send a written message's proof to another node", () => {
  const old = remediation();
  const update = (annotations: object | undefined): string[] => {
    const metadata = { name: "x", ...(annotations === undefined ? {} : { annotations }) };
    const object = { metadata, spec: {} };
    return judge("remediation-names-node.yaml", somebody("kate", { object, oldObject: old }));
  };
  assert.match(
    update({ "remediation.medik8s.io/node-name": "worker-2" }).join(),
    /cannot be changed/,
  );
  assert.match(update(undefined).join(), /cannot be changed/);
  const timedOut = { "remediation.medik8s.io/nhc-timed-out": "2000-01-01T00:10:01Z" };
  assert.deepEqual(update({ "remediation.medik8s.io/node-name": "worker-1", ...timedOut }), []);
});

test("a request from before the policy can still be released", () => {
  const object = { metadata: { name: "worker-1" } };
  const request = somebody(`${ACCOUNT}sbd-operator`, { object, oldObject: object });
  assert.deepEqual(judge("remediation-names-node.yaml", request), []);
});

function warnings(spec: object): string {
  return judge("config-warnings.yaml", {
    operation: "CREATE",
    username: "kate",
    object: { spec },
  }).join();
}

test("a configuration that is allowed and hardly meant earns a warning", () => {
  assert.equal(warnings({ sbdTimeoutSeconds: 30 }), "");
  assert.match(warnings({ sbdTimeoutSeconds: 9 }), /sbdTimeoutSeconds 9 is shorter/);
  assert.match(
    warnings({ sbdTimeoutSeconds: 30, watchdogTimeoutSeconds: 4 }),
    /Seconds 4: an agent/,
  );
  assert.match(warnings({ sbdTimeoutSeconds: 30, detectOnly: true }), /no node can be fenced/);
  assert.match(
    warnings({ sbdTimeoutSeconds: 1700, watchdogTimeoutSeconds: 60 }),
    /= 1700 \+ 2 x 60 \+ 91 = 1911 s/,
  );
});

test("every policy is bound", () => {
  for (const path of manifestPaths().filter((path) => path.startsWith("admission/"))) {
    const [policy, binding] = manifests(path);
    assert.equal(policy?.kind, "ValidatingAdmissionPolicy");
    assert.equal(binding?.kind, "ValidatingAdmissionPolicyBinding");
    const { policyName } = binding["spec"] as { policyName: string };
    assert.equal(policyName, policy.metadata?.name);
  }
});
