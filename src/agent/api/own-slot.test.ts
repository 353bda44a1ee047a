import assert from "node:assert/strict";
import { test } from "node:test";

import { findSlot, reportedNode } from "./own-slot.ts";
import { sbdNode } from "./testing/sbd-node-for-tests.ts";

test("a node's slot is its only SBDNode's, of its own SBDConfig", () => {
  const nodes = [
    sbdNode("worker-1", 1),
    sbdNode("worker-2", 2),
    sbdNode("worker-1", 3, { configName: "other" }),
  ];
  const found = { kind: "found", nodeID: 1, sbdNode: "config-1" };
  assert.deepEqual(findSlot(nodes, "worker-1", "config"), found);
  assert.deepEqual(findSlot(nodes, "worker-3", "config"), { kind: "none" });
  assert.equal(findSlot(nodes, "worker-1", null).kind, "several");
});

test("of two SBDNodes none is taken, unless one is on its way out", () => {
  const low = sbdNode("worker-1", 1);
  assert.deepEqual(findSlot([low, sbdNode("worker-1", 3)], "worker-1", "config"), {
    kind: "several",
    sbdNodes: ["config-1", "config-3"],
  });
  const leaving = sbdNode("worker-1", 3, { deleted: true });
  assert.equal(findSlot([low, leaving], "worker-1", "config").kind, "found");
  assert.equal(findSlot([leaving], "worker-1", "config").kind, "none");
});

test("an agent reports in the SBDNode of the slot it beats in, and in no other", () => {
  const nodes = [sbdNode("worker-1", 1, { deleted: true }), sbdNode("worker-1", 3)];
  const at = (nodeID: number): string | undefined =>
    reportedNode(nodes, { nodeName: "worker-1", nodeID }, "config")?.metadata.name;
  assert.equal(at(1), "config-1");
  assert.equal(at(3), "config-3");
  assert.equal(at(2), undefined);
});
