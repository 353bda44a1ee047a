import assert from "node:assert/strict";
import type { CustomResourceDefinition } from "../custom-resource-definition.ts";
import type { ValidationRule } from "../field.ts";
import type { Json, StructuralSchema } from "../structural-schema.ts";
import { evaluateCel } from "./cel.ts";

type JsonObject = { [key: string]: Json };

/** What a CRD makes of a write: the object as stored, and why it was refused, if it was. */
export type Admitted = { readonly stored: JsonObject; readonly faults: readonly string[] };

/**
 * Does to an object what the API server does with a CRD's schema: prune, drop nulls, fill in
 * defaults, validate, evaluate rules. For tests of the CRDs alone; it knows the keywords we use, and
 * fails on any other.
 */
export function admit(crd: CustomResourceDefinition, object: object, old?: object): Admitted {
  const schema = crd.spec.versions[0]?.schema.openAPIV3Schema;
  assert.ok(schema);
  const stored = conform(JSON.parse(JSON.stringify(object)) as Json, schema, true) as JsonObject;
  const before =
    old === undefined ? undefined : conform(JSON.parse(JSON.stringify(old)) as Json, schema, true);
  const faults: string[] = [];
  validate(stored, schema, "", faults);
  if (faults.length === 0) evaluateRules(stored, before, schema, "", faults);
  return { stored, faults };
}

function conform(value: Json, schema: StructuralSchema, root: boolean): Json {
  if (Array.isArray(value)) {
    const items = schema["items"] as StructuralSchema | undefined;
    return items === undefined ? value : value.map((item) => conform(item, items, false));
  }
  const properties = schema["properties"] as { [key: string]: StructuralSchema } | undefined;
  if (value === null || typeof value !== "object" || properties === undefined) return value;
  const out: JsonObject = {};
  for (const [name, child] of Object.entries(properties)) {
    let inner = value[name];
    if (inner === null || inner === undefined) inner = structuredClone(child["default"]);
    if (inner === undefined) continue;
    // The API server keeps the whole of metadata; its schema is built in.
    out[name] = root && name === "metadata" ? inner : conform(inner, child, false);
  }
  return out;
}

function validate(value: Json, schema: StructuralSchema, path: string, faults: string[]): void {
  const fault = (what: string): void => void faults.push(`${path.slice(1)}: ${what}`);
  const type = schema["type"];
  const actual = Array.isArray(value) ? "array" : typeof value;
  const fits = type === "integer" ? Number.isInteger(value) : type === actual && value !== null;
  if (!fits) return fault(`must be of type ${JSON.stringify(type)}`);
  for (const [keyword, limit] of Object.entries(schema)) {
    switch (keyword) {
      case "type":
      case "description":
      case "default":
      case "x-kubernetes-validations":
      case "x-kubernetes-list-map-keys":
        break;
      case "format":
        if (limit === "date-time" && Number.isNaN(Date.parse(value as string)))
          fault("not an instant");
        break;
      case "properties":
        for (const [name, child] of Object.entries(limit as { [key: string]: StructuralSchema })) {
          const inner = (value as JsonObject)[name];
          if (inner !== undefined && name !== "metadata") {
            validate(inner, child, `${path}.${name}`, faults);
          }
        }
        break;
      case "additionalProperties":
        for (const [name, inner] of Object.entries(value as JsonObject)) {
          validate(inner, limit as StructuralSchema, `${path}.${name}`, faults);
        }
        break;
      case "items":
        for (const [index, inner] of (value as Json[]).entries()) {
          validate(inner, limit as StructuralSchema, `${path}.${index}`, faults);
        }
        break;
      case "required":
        for (const name of limit as string[]) {
          if (!(name in (value as JsonObject))) fault(`${name} is required`);
        }
        break;
      case "enum":
        if (!(limit as Json[]).includes(value)) fault(`must be one of ${JSON.stringify(limit)}`);
        break;
      case "minimum":
        if ((value as number) < (limit as number))
          fault(`must be at least ${JSON.stringify(limit)}`);
        break;
      case "maximum":
        if ((value as number) > (limit as number))
          fault(`must be at most ${JSON.stringify(limit)}`);
        break;
      case "minLength":
        if ((value as string).length < (limit as number)) fault(`too short`);
        break;
      case "maxLength":
        if ((value as string).length > (limit as number)) fault(`too long`);
        break;
      case "maxItems":
        if ((value as Json[]).length > (limit as number)) fault(`too many`);
        break;
      case "pattern":
        if (!new RegExp(limit as string).test(value as string))
          fault(`must match ${JSON.stringify(limit)}`);
        break;
      case "x-kubernetes-list-type":
        if (limit === "set" && new Set(value as Json[]).size < (value as Json[]).length) {
          fault("must not repeat");
        }
        break;
      default:
        assert.fail(`this test does not know the keyword ${keyword}`);
    }
  }
}

function evaluateRules(
  self: Json,
  oldSelf: Json | undefined,
  schema: StructuralSchema,
  path: string,
  faults: string[],
): void {
  for (const rule of (schema["x-kubernetes-validations"] ?? []) as unknown as ValidationRule[]) {
    const isTransition = /\boldSelf\b/.test(rule.rule);
    if (isTransition && oldSelf === undefined) continue;
    const variables = { self, ...(isTransition ? { oldSelf } : {}) };
    if (evaluateCel(rule.rule, variables) === true) continue;
    const message =
      rule.messageExpression === undefined
        ? rule.message
        : String(evaluateCel(rule.messageExpression, variables));
    faults.push(`${path.slice(1)}${rule.fieldPath ?? ""}: ${message}`);
  }
  const properties = (schema["properties"] ?? {}) as { [key: string]: StructuralSchema };
  for (const [name, child] of Object.entries(properties)) {
    const inner = (self as JsonObject)[name];
    if (inner === undefined || typeof self !== "object") continue;
    const before = (oldSelf as JsonObject | undefined)?.[name];
    evaluateRules(inner, before, child, `${path}.${name}`, faults);
  }
}
