import assert from "node:assert/strict";
import { test } from "node:test";

import { NODE_NAME_ANNOTATION, REMEDIATION_FINALIZER } from "./remediation-names.ts";
import type { KubeObject } from "../kube/kube-object.ts";
import { isOpenAgainst, wantsMessage } from "./request-state.ts";
import { BOOT_ID, OTHER_BOOT_ID } from "../agent/api/testing/agent-status-for-tests.ts";

function request(
  status: Readonly<Record<string, unknown>> = {},
  metadata: KubeObject["metadata"] = {},
  spec: unknown = { nodeName: "worker-1" },
): KubeObject {
  return {
    metadata: { name: "request", finalizers: [REMEDIATION_FINALIZER], ...metadata },
    spec,
    status,
  };
}

function condition(type: string, status: string) {
  return { conditions: [{ type, status }] };
}

function isOpen(object: KubeObject): boolean {
  return isOpenAgainst(object, "worker-1", BOOT_ID);
}

test("a request that names the node in any way is open against it", () => {
  assert.ok(isOpen(request()));
  assert.ok(isOpen(request({}, { name: "worker-1" }, {})));
  assert.ok(isOpen(request({}, { annotations: { [NODE_NAME_ANNOTATION]: "worker-1" } }, {})));
  assert.ok(isOpen(request({ nodeName: "worker-1" }, {}, {})));
  assert.ok(isOpen(request({ nodeName: "worker-1" }, {}, { nodeName: "worker-2" })));
  assert.ok(!isOpen(request({}, {}, { nodeName: "worker-2" })));
});

test("without our finalizer there is no message; being deleted does not take it back", () => {
  assert.ok(!isOpen(request({}, { finalizers: ["another"] })));
  const deleted = { deletionTimestamp: "2026-01-01T00:00:00Z" };
  assert.ok(isOpen(request({}, deleted)));
  assert.ok(!wantsMessage(request({}, deleted)));
});

function proof(bootID: string) {
  return { fencing: { agent: "x", evidence: { bootID } } };
}

test("a proof about this boot is against it for ever, one about another boot is not", () => {
  assert.ok(isOpen(request(proof(BOOT_ID))));
  assert.ok(isOpen(request({ ...proof(BOOT_ID), ...condition("Succeeded", "True") })));
  assert.ok(!isOpen(request(proof(OTHER_BOOT_ID))));
  assert.ok(
    isOpen(request(condition("FencingSucceeded", "True"))),
    "a proof about nobody knows who",
  );
  assert.ok(!wantsMessage(request(proof(OTHER_BOOT_ID))));
});

test("a decided request is proven no more", () => {
  assert.ok(!isOpen(request(condition("Succeeded", "False"))));
  assert.ok(isOpen(request(condition("Succeeded", "Unknown"))));
  assert.ok(isOpen(request(condition("FencingSucceeded", "False"))));
  assert.ok(!wantsMessage(request(condition("Succeeded", "False"))));
  assert.ok(wantsMessage(request()));
});

test("a request that is malformed all over still counts", () => {
  const odd = request({ conditions: "none", fencing: 7 }, { name: "worker-1" }, null);
  assert.ok(isOpen(odd));
});
