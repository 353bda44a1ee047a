import assert from "node:assert/strict";
import { test } from "node:test";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import { parseSBDNode, SBD_NODE, sbdNodeName } from "./sbd-node.ts";
import { admit } from "./testing/admit.ts";

const CRD = customResourceDefinition(SBD_NODE);
const SPEC = { configName: "default", nodeName: "worker-1", nodeID: 7 };

function node(spec: object, name = "default-7", status: object = {}): object {
  return { apiVersion: "medik8s.io/v1alpha1", kind: "SBDNode", metadata: { name }, spec, status };
}

test("the name is the config and the slot, so that two nodes cannot be made for one slot", () => {
  assert.equal(sbdNodeName("default", 7), "default-7");
  assert.deepEqual(admit(CRD, node(SPEC)).faults, []);
  assert.match(admit(CRD, node(SPEC, "default-8")).faults.join(), /<configName>-<nodeID>/);
});

test("slot 0 is the device header's and 255 the last", () => {
  for (const [nodeID, allowed] of [
    [0, false],
    [1, true],
    [255, true],
    [256, false],
  ] as const) {
    const object = node({ ...SPEC, nodeID }, `default-${nodeID}`);
    assert.equal(admit(CRD, object).faults.length === 0, allowed);
    assert.equal(parseSBDNode(object).ok, allowed);
  }
});

test("a slot cannot be handed to another node while its first owner may live", () => {
  const moved = node({ ...SPEC, nodeName: "worker-2" });
  assert.match(admit(CRD, moved, node(SPEC)).faults.join(), /cannot be changed/);
  assert.deepEqual(admit(CRD, node(SPEC), node(SPEC)).faults, []);
});

test("what an agent reports is taken", () => {
  const status = {
    bootID: "0f6ee0e5-7a5c-4b5e-9c39-2e3d5a8d9c11",
    machineID: "4c4c4544004e3310804ab4c04f4d4d32",
    startID: "00112233aabbccdd",
    deviceUUID: "7d3f0c4e-55f5-4d07-8f7c-4cc6a5a0a1b2",
    watchdog: { path: "/dev/watchdog", identity: "iTCO_wdt", timeoutSeconds: 5, verified: true },
    armed: true,
    lastPassTime: "2026-01-01T00:00:00.123456Z",
    passLatencyMilliseconds: 4,
    unhealthyPeers: [{ nodeID: 3, nodeName: "worker-3" }],
    staleSlots: [
      { nodeID: 9, content: "GoHeartbeat", stillSeconds: 80.5, time: "2026-01-01T00:00:00Z" },
    ],
  };
  const object = node(SPEC, "default-7", status);
  assert.deepEqual(admit(CRD, object).faults, []);
  const parsed = parseSBDNode(object);
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value.status, status);
});
