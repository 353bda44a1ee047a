import assert from "node:assert/strict";
import { test } from "node:test";
import { builtinListShape, schemaListShape } from "./list-shape.ts";
import { applyJsonPatch } from "./patch-json.ts";
import { applyMergePatch } from "./patch-merge.ts";
import { applyStrategicMerge } from "./patch-strategic.ts";

test("a JSON patch adds, removes, replaces, moves, copies and tests", () => {
  const patched = applyJsonPatch({ a: { b: [1, 2] }, c: "x", "d/e": 1 }, [
    { op: "test", path: "/c", value: "x" },
    { op: "add", path: "/a/b/-", value: 3 },
    { op: "remove", path: "/a/b/0" },
    { op: "replace", path: "/d~1e", value: 2 },
    { op: "copy", from: "/c", path: "/f" },
    { op: "move", from: "/c", path: "/g" },
  ]);
  assert.deepEqual(patched, { a: { b: [2, 3] }, "d/e": 2, f: "x", g: "x" });
});

test("a JSON patch that finds nothing to work on changes nothing and is Invalid", () => {
  const object = { a: 1 };
  for (const patch of [
    [{ op: "remove", path: "/b" }],
    [{ op: "replace", path: "/b", value: 1 }],
    [{ op: "add", path: "/b/c", value: 1 }],
    [
      { op: "add", path: "/z", value: 1 },
      { op: "test", path: "/a", value: 2 },
    ],
  ]) {
    assert.throws(() => applyJsonPatch(object, patch), { code: 422 });
  }
  assert.deepEqual(object, { a: 1 });
});

test("a merge patch removes with null and replaces lists", () => {
  const patched = applyMergePatch(
    { a: { b: 1, c: 2 }, l: [1, 2] },
    { a: { b: null, d: { e: null } }, l: [3] },
  );
  assert.deepEqual(patched, { a: { c: 2, d: {} }, l: [3] });
});

test("a strategic merge merges node conditions by type and replaces taints", () => {
  const node = {
    spec: { taints: [{ key: "a", effect: "NoSchedule" }] },
    status: {
      conditions: [
        { type: "Ready", status: "True", reason: "x" },
        { type: "Disk", status: "False" },
      ],
    },
  };
  const patch = {
    spec: { taints: [{ key: "b", effect: "NoExecute" }] },
    status: {
      conditions: [
        { type: "Ready", status: "Unknown" },
        { type: "New", status: "True" },
      ],
    },
  };
  assert.deepEqual(applyStrategicMerge(node, patch, builtinListShape("Node")), {
    spec: { taints: [{ key: "b", effect: "NoExecute" }] },
    status: {
      conditions: [
        { type: "Ready", status: "Unknown", reason: "x" },
        { type: "Disk", status: "False" },
        { type: "New", status: "True" },
      ],
    },
  });
});

test("a strategic merge obeys its directives", () => {
  const pod = {
    metadata: { finalizers: ["a/x", "b/y"] },
    spec: {
      containers: [
        { name: "one", image: "1" },
        { name: "two", image: "2" },
      ],
      x: { y: 1 },
    },
  };
  const patch = {
    metadata: { "$deleteFromPrimitiveList/finalizers": ["a/x"], finalizers: ["c/z"] },
    spec: {
      "$setElementOrder/containers": [{ name: "three" }, { name: "two" }],
      containers: [
        { name: "one", $patch: "delete" },
        { name: "three", image: "3" },
      ],
      x: { $patch: "replace", z: 2 },
    },
  };
  assert.deepEqual(applyStrategicMerge(pod, patch, builtinListShape("Pod")), {
    metadata: { finalizers: ["b/y", "c/z"] },
    spec: {
      containers: [
        { name: "three", image: "3" },
        { name: "two", image: "2" },
      ],
      x: { z: 2 },
    },
  });
});

test("a strategic merge refuses an item without its merge key", () => {
  const patch = { spec: { containers: [{ image: "1" }] } };
  assert.throws(() => applyStrategicMerge({}, patch, builtinListShape("Pod")), { code: 400 });
});

test("lists of a custom resource merge as its schema says", () => {
  const items = {
    type: "object",
    properties: { inner: { type: "array", "x-kubernetes-list-type": "set" } },
  };
  const shapeOf = schemaListShape({
    type: "object",
    properties: {
      list: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        items,
      },
      plain: { type: "array" },
    },
  });
  assert.deepEqual(shapeOf(["list"]), { kind: "map", keys: ["k"] });
  assert.deepEqual(shapeOf(["list", "inner"]), { kind: "set" });
  assert.deepEqual(shapeOf(["plain"]), { kind: "atomic" });
  assert.deepEqual(shapeOf(["unknown", "below"]), { kind: "atomic" });
});
