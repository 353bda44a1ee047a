import assert from "node:assert/strict";
import { test } from "node:test";

import { REMEDIATION_FINALIZER, REMEDIATION_TAINT_KEY } from "../../api/remediation-names.ts";
import type { KubeObject } from "../../kube/kube-object.ts";
import { nodeReading, requestReading } from "./readings.ts";
import { BOOT_ID } from "../../agent/api/testing/agent-status-for-tests.ts";

function request(changes: Partial<KubeObject["metadata"]> = {}, status: object = {}): KubeObject {
  return {
    metadata: { name: "r", uid: "uid-1", finalizers: [REMEDIATION_FINALIZER], ...changes },
    status: { fencing: { agent: "worker-2", epoch: 4 }, ...status },
  };
}

test("a request grants to the agent it names, and to nobody else", () => {
  const granted = requestReading(request(), "uid-1", "worker-2");
  assert.deepEqual(granted, {
    granted: true,
    detail: "",
    epoch: 4,
    confirmation: null,
    nodeBootID: "",
  });
  const other = requestReading(request(), "uid-1", "worker-3");
  assert.deepEqual([other.granted, other.detail], [false, "the named fencer is worker-2"]);
});

test("a request that is gone, replaced, going or decided grants nothing", () => {
  const cases: readonly (readonly [KubeObject | null, RegExp])[] = [
    [null, /gone/],
    [request({ uid: "uid-2" }), /another has its name/],
    [request({ deletionTimestamp: "2026-01-01T00:00:00Z" }), /deleted/],
    [request({ finalizers: [] }), /finalizer/],
    [request({}, { conditions: [{ type: "Succeeded", status: "False" }] }), /decided/],
    [request({}, { fencing: {} }), /nobody/],
  ];
  for (const [object, why] of cases) {
    const { granted, detail } = requestReading(object, "uid-1", "worker-2");
    assert.equal(granted, false);
    assert.match(detail, why);
  }
});

test("an administrator's word is handed on as it was given", () => {
  const time = "2026-01-01T00:00:00Z";
  const confirmation = { requestUID: "uid-1", bootID: BOOT_ID, by: "admin", time };
  assert.deepEqual(
    requestReading(request({}, { confirmation }), "uid-1", "worker-2").confirmation,
    {
      requestUID: "uid-1",
      bootID: BOOT_ID,
      by: "admin",
      at: time,
    },
  );
});

const node = (effect: string): KubeObject => ({
  metadata: { name: "worker-1", uid: "node-1" },
  spec: {
    taints: [
      { key: REMEDIATION_TAINT_KEY, effect },
      { key: "x", effect: "NoExecute" },
    ],
  },
  status: {
    nodeInfo: {
      bootID: BOOT_ID,
      systemUUID: "4C4C4544-0042-3510-8056-B4C04F4E5A32",
      machineID: "",
    },
  },
});

test("a Node tells its UID, its kubelet's boot and whether our taint keeps pods away", () => {
  const machineIDs = ["4c4c4544004235108056b4c04f4e5a32"];
  const none = {
    nodeUID: "node-1",
    bootID: BOOT_ID,
    machineIDs,
    noExecute: false,
    sbdNodes: [],
    heldNodeIDs: [],
  };
  assert.deepEqual(nodeReading(node("NoSchedule"), [], "worker-1"), none);
  assert.equal(nodeReading(node("NoExecute"), [], "worker-1").noExecute, true);
  assert.equal(nodeReading(null, [], "worker-1").nodeUID, null);
});

const sbdNode = (
  nodeName: string,
  nodeID: number,
  status: object,
  configName = "config",
): KubeObject => ({
  metadata: { name: `config-${nodeID}` },
  spec: { nodeName, nodeID, configName },
  status,
});

test("every SBDNode of the node is told, and what its agent says of itself", () => {
  const nodes = [
    sbdNode("worker-1", 1, { leaving: true }),
    sbdNode("worker-2", 2, {}),
    sbdNode("worker-1", 3, { armed: false, bootID: BOOT_ID }),
  ];
  assert.deepEqual(nodeReading(null, nodes, "worker-1").sbdNodes, [
    { name: "config-1", nodeID: 1, leaving: true, unarmedBootID: "" },
    { name: "config-3", nodeID: 3, leaving: false, unarmedBootID: BOOT_ID },
  ]);
});

test("a slot counts as held by whichever SBDNode of the node's own SBDConfig names it", () => {
  const nodes = [
    sbdNode("worker-1", 1, {}),
    sbdNode("worker-2", 2, {}),
    sbdNode("worker-9", 9, {}, "another"),
  ];
  assert.deepEqual(nodeReading(null, nodes, "worker-1").heldNodeIDs, [1, 2]);
});
