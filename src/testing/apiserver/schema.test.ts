import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluateRules } from "./cel-rules.ts";
import type { Json, JsonObject } from "./json.ts";
import { applyDefaults, prune } from "./schema-default.ts";
import { validateSchema } from "./schema-validate.ts";

function problems(value: Json, schema: JsonObject): string[] {
  return validateSchema(value, schema, "spec", false).map(
    ({ field, message }) => `${field}: ${message}`,
  );
}

function object(properties: JsonObject, more: JsonObject = {}): JsonObject {
  return { type: "object", properties, ...more };
}

test("defaults fill absent fields, also below defaults, and replace a null that may not be", () => {
  const schema = object({
    a: { type: "integer", default: 5 },
    b: { type: "string", default: "x", nullable: true },
    c: { ...object({ d: { type: "boolean", default: true } }), default: {} },
    e: object({ f: { type: "string", default: "never" } }),
  });
  const value: JsonObject = { a: null, b: null };
  applyDefaults(value, schema);
  assert.deepEqual(value, { a: 5, b: null, c: { d: true } });
});

test("pruning removes what the schema does not know and says where", () => {
  const schema = object({
    spec: object({ known: { type: "string" }, list: { type: "array", items: object({ k: {} }) } }),
    open: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    map: { type: "object", additionalProperties: object({ v: {} }) },
  });
  const value: JsonObject = {
    apiVersion: "g/v1",
    kind: "K",
    metadata: { name: "x" },
    spec: { known: "a", unknown: 1, list: [{ k: 1, l: 2 }] },
    open: { any: 1 },
    map: { m: { v: 1, w: 2 } },
  };
  assert.deepEqual(prune(value, schema), ["spec.unknown", "spec.list[0].l", "map.m.w"]);
  assert.deepEqual(value["spec"], { known: "a", list: [{ k: 1 }] });
  assert.deepEqual(value["open"], { any: 1 });
  assert.deepEqual(value["map"], { m: { v: 1 } });
});

test("each kind of mistake is named with its field, as kube-apiserver words it", () => {
  const schema = object(
    {
      n: { type: "integer", minimum: 1, maximum: 255 },
      s: { type: "string", pattern: "^[a-z]+$", minLength: 2, maxLength: 4 },
      e: { type: "string", enum: ["A", "B"] },
      t: { type: "string", format: "date-time" },
      m: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        items: object({ k: { type: "string" } }),
        maxItems: 2,
      },
      u: { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } },
      p: { "x-kubernetes-int-or-string": true },
    },
    { required: ["r"] },
  );
  const value = {
    n: 0,
    s: "A",
    e: "C",
    t: "yesterday",
    m: [{ k: "1" }, { k: "1" }, { k: "2" }],
    u: ["a", "a"],
    p: 1.5,
  };
  assert.deepEqual(problems(value, schema), [
    "spec.r: Required value",
    "spec.n: Invalid value: 0: spec.n in body should be greater than or equal to 1",
    'spec.s: Invalid value: "A": spec.s in body should be at least 2 chars long',
    "spec.s: Invalid value: \"A\": spec.s in body should match '^[a-z]+$'",
    'spec.e: Unsupported value: "C": supported values: "A", "B"',
    'spec.t: Invalid value: "yesterday": spec.t in body must be of type date-time: "yesterday"',
    "spec.m: Too many: 3: must have at most 2 items",
    'spec.m[1]: Duplicate value: {"k":"1"}',
    'spec.u[1]: Duplicate value: "a"',
    'spec.p: Invalid value: 1.5: spec.p in body must be of type integer,string: "number"',
  ]);
  assert.deepEqual(problems({ n: "1", r: 1 }, schema), [
    'spec.n: Invalid value: "string": spec.n in body must be of type integer: "string"',
  ]);
});

const config = object({
  spec: {
    ...object({
      timeout: { type: "integer" },
      watchdog: { type: "integer" },
      name: {
        type: "string",
        "x-kubernetes-validations": [{ rule: "self == oldSelf", message: "fixed" }],
      },
      since: { type: "string", format: "date-time" },
      "with-dash": { type: "boolean" },
      items: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        items: {
          ...object({ k: { type: "string" }, v: { type: "integer" } }),
          "x-kubernetes-validations": [{ rule: "self.v >= oldSelf.v", message: "never less" }],
        },
      },
    }),
    "x-kubernetes-validations": [
      {
        rule: "!has(self.watchdog) || self.timeout > self.watchdog * 2",
        messageExpression: "'timeout ' + string(self.timeout) + ' is too short'",
        fieldPath: ".timeout",
      },
      { rule: "!has(self.since) || self.since < timestamp('2030-01-01T00:00:00Z')" },
      { rule: "!has(self.__dash__x) && !(has(self.with__dash__dash) && self.with__dash__dash)" },
    ],
  },
});

function broken(spec: JsonObject, old?: JsonObject): string[] {
  const before = old === undefined ? undefined : { spec: old };
  return evaluateRules({ spec }, before, config).map(
    ({ field, message }) => `${field}: ${message}`,
  );
}

test("rules run with integers, timestamps and escaped names", () => {
  assert.deepEqual(broken({ timeout: 30, watchdog: 14, since: "2026-01-01T00:00:00Z" }), []);
  assert.deepEqual(broken({ timeout: 30, watchdog: 15 }), [
    'spec.timeout: Invalid value: "object": timeout 30 is too short',
  ]);
  assert.deepEqual(broken({ timeout: 1, since: "2031-01-01T00:00:00Z" }), [
    `spec: Invalid value: "object": failed rule: !has(self.since) || self.since < timestamp('2030-01-01T00:00:00Z')`,
  ]);
  assert.equal(broken({ "with-dash": true }).length, 1);
});

test("a rule that cannot be evaluated fails and says why", () => {
  assert.match(broken({ watchdog: 1 })[0] ?? "", /No such key: timeout evaluating rule/);
});

test("transition rules compare with the old value, items of keyed lists with their own", () => {
  assert.deepEqual(broken({ name: "a" }), []);
  assert.deepEqual(broken({ name: "a" }, { name: "a" }), []);
  assert.deepEqual(broken({ name: "b" }, { name: "a" }), [
    'spec.name: Invalid value: "string": fixed',
  ]);
  const old = {
    items: [
      { k: "a", v: 1 },
      { k: "b", v: 5 },
    ],
  };
  assert.deepEqual(
    broken(
      {
        items: [
          { k: "b", v: 5 },
          { k: "c", v: 0 },
        ],
      },
      old,
    ),
    [],
  );
  assert.deepEqual(broken({ items: [{ k: "b", v: 4 }] }, old), [
    'spec.items[0]: Invalid value: "object": never less',
  ]);
});
