import assert from "node:assert/strict";
import { test } from "node:test";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import { parseSBDRemediation, SBD_REMEDIATION } from "./sbd-remediation.ts";
import { admit } from "./testing/admit.ts";

const CRD = customResourceDefinition(SBD_REMEDIATION);
const BOOT = "0f6ee0e5-7a5c-4b5e-9c39-2e3d5a8d9c11";

/** What NodeHealthCheck posts, with the spec that its template gives. */
function request(spec: unknown, status?: object): object {
  return {
    apiVersion: "medik8s.io/v1alpha1",
    kind: "SBDRemediation",
    metadata: {
      annotations: {
        "remediation.medik8s.io/node-name": "worker-1",
        "remediation.medik8s.io/template-name": "sbd-template",
      },
      creationTimestamp: "2000-01-01T00:05:01Z",
      name: "worker-1-gen01",
      generateName: "worker-1-",
      labels: { "app.kubernetes.io/part-of": "node-healthcheck-controller" },
      namespace: "sbd-system",
      ownerReferences: [
        {
          apiVersion: "remediation.medik8s.io/v1alpha1",
          controller: false,
          kind: "NodeHealthCheck",
          name: "nhc-sbd-worker",
          uid: "nhc-uid",
        },
      ],
    },
    ...(spec === undefined ? {} : { spec }),
    ...(status === undefined ? {} : { status }),
  };
}

for (const [what, spec] of [
  ["an empty spec", {}],
  ["a null spec", null],
  ["no spec", undefined],
] as const) {
  test(`NodeHealthCheck cannot fill a required field: ${what} is accepted`, () => {
    const { stored, faults } = admit(CRD, request(spec));
    assert.deepEqual(faults, []);
    assert.deepEqual(stored["spec"], { remediationStrategy: "Automatic" });
    const parsed = parseSBDRemediation(request(spec));
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.value.spec, { remediationStrategy: "Automatic" });
    assert.deepEqual(parsed.value.status, {});
  });
}

test("an empty nodeName and an unknown strategy are refused", () => {
  assert.match(admit(CRD, request({ nodeName: "" })).faults.join(), /nodeName/);
  const unknown = admit(CRD, request({ remediationStrategy: "PowerOff" })).faults;
  assert.match(unknown.join(), /remediationStrategy/);
});

test("an edited nodeName cannot send a written message's proof to another node", () => {
  const old = request({ nodeName: "worker-1" });
  for (const spec of [{ nodeName: "worker-2" }, {}, null]) {
    assert.match(admit(CRD, request(spec), old).faults.join(), /nodeName cannot be changed/);
  }
  assert.match(admit(CRD, old, request({})).faults.join(), /nodeName cannot be changed/);
  assert.deepEqual(admit(CRD, old, old).faults, []);
});

test("status is a subresource: NodeHealthCheck's full PUT does not take our status back", () => {
  assert.deepEqual(CRD.spec.versions[0]?.subresources, { status: {} });
});

test("a fencer's report is taken, whole", () => {
  const status = {
    phase: "FencingInProgress",
    nodeName: "worker-1",
    conditions: [
      {
        type: "Succeeded",
        status: "Unknown",
        reason: "RemediationStarted",
        message: "",
        lastTransitionTime: "2026-01-01T00:05:02Z",
      },
    ],
    fencing: {
      agent: "worker-2",
      configName: "default",
      epoch: 3,
      state: "Proven",
      nodeID: 7,
      bootID: BOOT,
      machineID: "4c4c4544004e3310804ab4c04f4d4d32",
      messageDurableTime: "2026-01-01T00:05:03.5Z",
      boundSeconds: 47.25,
      evidence: {
        kind: "Rebooted",
        time: "2026-01-01T00:05:30Z",
        detail: "a later boot beats",
        bootID: BOOT,
      },
      missing: [],
    },
    confirmation: { requestUID: "uid-1", bootID: BOOT, by: "kate", time: "2026-01-01T00:06:00Z" },
  };
  assert.deepEqual(admit(CRD, request({}, status)).faults, []);
  const parsed = parseSBDRemediation(request({}, status));
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value.status, status);
});

function at(epoch: number): object {
  return request({}, { fencing: { agent: "worker-2", epoch } });
}

test("an older fencer's late report cannot take the epoch back", () => {
  assert.match(admit(CRD, at(3), at(4)).faults.join(), /epoch may only grow/);
  assert.deepEqual(admit(CRD, at(4), at(4)).faults, []);
  assert.deepEqual(admit(CRD, at(5), at(4)).faults, []);
});

test("evidence of an unknown kind proves nothing and is refused", () => {
  const evidence = { kind: "NotReady", time: "2026-01-01T00:05:30Z", bootID: BOOT, detail: "" };
  const object = request({}, { fencing: { agent: "worker-2", evidence } });
  assert.match(admit(CRD, object).faults.join(), /evidence\.kind/);
  assert.equal(parseSBDRemediation(object).ok, false);
});

test("metadata that we do not know passes through the parser", () => {
  const parsed = parseSBDRemediation(request({}));
  assert.ok(parsed.ok);
  assert.equal(parsed.value.metadata.name, "worker-1-gen01");
  assert.equal(parsed.value.metadata.ownerReferences?.[0]?.kind, "NodeHealthCheck");
});
