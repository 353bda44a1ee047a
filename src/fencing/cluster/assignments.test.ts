import assert from "node:assert/strict";
import { test } from "node:test";

import { API_VERSION } from "../../api/group.ts";
import { NODE_NAME_ANNOTATION, REMEDIATION_FINALIZER } from "../../api/remediation-names.ts";
import { parseSBDConfig, type SBDConfig } from "../../api/sbd-config.ts";
import type { KubeObject } from "../../kube/kube-object.ts";
import { FENCE_REASON_HEARTBEAT_TIMEOUT, FENCE_REASON_MANUAL } from "../../protocol/message.ts";
import { assignmentsOf, type Assignment } from "./assignments.ts";
import { BOOT_ID } from "../../agent/api/testing/agent-status-for-tests.ts";

const FENCING = { agent: "worker-2", nodeID: 1, configName: "config" };

function config(pausableNodes = "Accept"): SBDConfig {
  const parsed = parseSBDConfig({
    apiVersion: API_VERSION,
    kind: "SBDConfig",
    metadata: { name: "config" },
    spec: {
      sbdDevicePVCName: "d",
      sbdTimeoutSeconds: 6,
      sbdWatchdogPath: "/dev/watchdog",
      pausableNodes,
    },
  });
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
}

function assign(
  fencing: Readonly<Record<string, unknown>>,
  metadata: KubeObject["metadata"] = {},
  configs: readonly SBDConfig[] = [config()],
): Assignment | undefined {
  const raw: KubeObject = {
    apiVersion: API_VERSION,
    kind: "SBDRemediation",
    metadata: {
      name: "request",
      namespace: "default",
      uid: "uid-1",
      finalizers: [REMEDIATION_FINALIZER],
      ...metadata,
    },
    spec: { nodeName: "worker-1" },
    status: { fencing },
  };
  const agent = { nodeName: "worker-2", configName: "config" };
  return assignmentsOf([raw], configs, agent).get("uid-1");
}

test("a named agent is ordered to fence, with all that the core process needs", () => {
  assert.deepEqual(assign(FENCING), {
    ref: { name: "request", namespace: "default" },
    order: {
      type: "fence",
      uid: "uid-1",
      nodeName: "worker-1",
      nodeID: 1,
      reason: FENCE_REASON_MANUAL,
      pausableNodes: "Accept",
    },
  });
});

const reason = (metadata: KubeObject["metadata"]): number | undefined =>
  assign(FENCING, metadata)?.order.reason;

test("NodeHealthCheck's requests say that the heartbeat was missed", () => {
  const owner = { apiVersion: "remediation.medik8s.io/v1alpha1", name: "nhc", uid: "u" };
  const owned = { ownerReferences: [{ ...owner, kind: "NodeHealthCheck" }] };
  assert.equal(reason(owned), FENCE_REASON_HEARTBEAT_TIMEOUT);
  const annotated = { annotations: { [NODE_NAME_ANNOTATION]: "worker-1" } };
  assert.equal(reason(annotated), FENCE_REASON_HEARTBEAT_TIMEOUT);
});

test("whether nodes may be paused is the SBDConfig's, and unknown without it", () => {
  assert.equal(assign(FENCING, {}, [config("Refuse")])?.order.pausableNodes, "Refuse");
  assert.equal(assign(FENCING, {}, []), undefined);
});

test("nothing is ordered for another agent, without a slot, against itself, or when it is over", () => {
  assert.equal(assign({ ...FENCING, agent: "worker-3" }), undefined);
  assert.equal(assign({ agent: "worker-2", configName: "config" }), undefined);
  assert.equal(assign(FENCING, { deletionTimestamp: "2026-01-01T00:00:00Z" }), undefined);
  assert.equal(assign(FENCING, { finalizers: [] }), undefined);
  const itself = { annotations: { [NODE_NAME_ANNOTATION]: "worker-2" } };
  assert.equal(assign(FENCING, itself), undefined);
  const evidence = { kind: "Rebooted", time: "2026-01-01T00:00:00Z", bootID: BOOT_ID, detail: "" };
  assert.equal(assign({ ...FENCING, evidence }), undefined);
});
