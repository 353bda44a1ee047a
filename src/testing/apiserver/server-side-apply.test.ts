import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { builtinListShape } from "./list-shape.ts";
import { trackUpdate } from "./managed-fields.ts";
import { serverSideApply } from "./server-side-apply.ts";

const time = "2026-01-01T00:00:00Z";
const shapeOf = builtinListShape("Node");
const subject = { group: "", kind: "nodes", name: "n" };

function node(more: JsonObject): KubeObject {
  return { apiVersion: "v1", kind: "Node", metadata: { name: "n" }, ...more };
}

function apply(
  live: KubeObject | undefined,
  applied: KubeObject,
  manager: string,
  conflicts: "fail" | "force" = "fail",
): KubeObject {
  const who = { manager, operation: "Apply" as const, apiVersion: "v1", subresource: "" };
  return serverSideApply({
    live,
    applied,
    who,
    force: conflicts === "force",
    time,
    subject,
    shapeOf,
  });
}

function condition(type: string, status: string): JsonObject {
  return { type, status };
}

test("two managers each keep their own items of a keyed list", () => {
  const first = apply(undefined, node({ status: { conditions: [condition("A", "True")] } }), "one");
  const both = apply(first, node({ status: { conditions: [condition("B", "True")] } }), "two");
  assert.deepEqual(at(both, "status", "conditions"), [
    condition("A", "True"),
    condition("B", "True"),
  ]);
  const left = apply(both, node({}), "one");
  assert.deepEqual(at(left, "status", "conditions"), [condition("B", "True")]);
  assert.deepEqual(
    left.metadata.managedFields?.map(({ manager }) => manager),
    ["two"],
  );
});

test("another manager's field with another value is a conflict, and force takes it", () => {
  const live = apply(undefined, node({ spec: { unschedulable: true } }), "one");
  const wanted = node({ spec: { unschedulable: false } });
  assert.throws(() => apply(live, wanted, "two"), {
    code: 409,
    message: 'Apply failed with 1 conflict: conflict with "one": .spec.unschedulable',
  });
  const taken = apply(live, wanted, "two", "force");
  assert.equal(at(taken, "spec", "unschedulable"), false);
  const dropped = apply(taken, node({}), "one");
  assert.equal(at(dropped, "spec", "unschedulable"), false);
});

test("the same value is shared, and goes only when both let go of it", () => {
  const wanted = node({ spec: { unschedulable: true } });
  const shared = apply(apply(undefined, wanted, "one"), wanted, "two");
  const one = apply(shared, node({}), "one");
  assert.equal(at(one, "spec", "unschedulable"), true);
  const none = apply(one, node({}), "two");
  assert.equal(at(none, "spec", "unschedulable"), undefined);
});

test("an update takes ownership of what it changed", () => {
  const live = apply(undefined, node({ spec: { unschedulable: true, podCIDR: "a" } }), "one");
  const who = {
    manager: "editor",
    operation: "Update" as const,
    apiVersion: "v1",
    subresource: "",
  };
  const changed = { ...live, spec: { unschedulable: false, podCIDR: "a" } };
  const updated = trackUpdate(live, changed, who, time, shapeOf);
  const owners = updated.metadata.managedFields?.map(({ manager, fieldsV1 }) => [
    manager,
    fieldsV1,
  ]);
  assert.deepEqual(owners, [
    ["one", { "f:spec": { "f:podCIDR": {} } }],
    ["editor", { "f:spec": { "f:unschedulable": {} } }],
  ]);
  assert.throws(() => apply(updated, node({ spec: { unschedulable: true } }), "one"), {
    code: 409,
  });
});
