import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { setOf } from "./field.ts";
import { structuralSchema } from "./structural-schema.ts";

test("defaults and optional fields are not required, all else is", () => {
  const schema = structuralSchema(
    z.object({ a: z.int().min(1), b: z.string().optional(), c: z.boolean().default(false) }),
  );
  assert.deepEqual(schema, {
    type: "object",
    required: ["a"],
    properties: {
      a: { type: "integer", format: "int64", minimum: 1 },
      b: { type: "string" },
      c: { type: "boolean", default: false },
    },
  });
});

test("a set with a default stays a set", () => {
  const schema = structuralSchema(z.object({ s: setOf("names", 3, z.string()).default([]) }));
  assert.deepEqual(schema["properties"], {
    s: {
      type: "array",
      description: "names",
      default: [],
      maxItems: 3,
      items: { type: "string" },
      "x-kubernetes-list-type": "set",
    },
  });
});

test("instants carry the format alone", () => {
  const schema = structuralSchema(z.object({ at: z.iso.datetime({ offset: true }) }));
  assert.deepEqual(schema["properties"], { at: { type: "string", format: "date-time" } });
});

test("a map gives the type of its values", () => {
  const schema = structuralSchema(z.record(z.string(), z.string().max(63)));
  assert.deepEqual(schema, {
    type: "object",
    additionalProperties: { type: "string", maxLength: 63 },
  });
});

for (const [what, schema] of [
  ["a union", z.object({ u: z.union([z.string(), z.int()]) })],
  ["anything at all", z.object({ u: z.unknown() })],
  ["an object without fields", z.object({ u: z.object({}) })],
  ["a strict object", z.object({ u: z.strictObject({ a: z.string() }) })],
  ["a date", z.object({ u: z.date() })],
  ["a multiple", z.object({ u: z.int().multipleOf(2) })],
  ["a nullable field", z.object({ u: z.string().nullable() })],
] as const) {
  test(`${what} has no structural form and is refused`, () => {
    assert.throws(() => structuralSchema(schema));
  });
}
