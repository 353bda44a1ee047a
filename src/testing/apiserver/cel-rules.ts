import type { Cause } from "./api-error.ts";
import { celOptional, compileCel } from "./cel.ts";
import type { CelProgram } from "./cel.ts";
import { celTyped } from "./cel-schema.ts";
import { equal, isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

const programs = new Map<string, CelProgram>();

function programOf(source: string): CelProgram {
  const known = programs.get(source);
  if (known !== undefined) return known;
  const program = compileCel(source);
  programs.set(source, program);
  return program;
}

/** True when an expression speaks of the object's earlier state. */
export function isTransitionRule(rule: string): boolean {
  return /\boldSelf\b/.test(rule.replaceAll(/'[^']*'|"[^"]*"/g, ""));
}

/**
 * Evaluates every `x-kubernetes-validations` of a schema. Rules that name `oldSelf` run only where
 * there is an old value to compare with, unless they set `optionalOldSelf`; items of sets and atomic
 * lists have none.
 *
 * Not modelled: cost limits, and ratcheting (unchanged fields are evaluated again).
 */
export function evaluateRules(
  value: Json,
  old: Json | undefined,
  schema: JsonObject,
  path = "",
  isRoot = true,
): Cause[] {
  const causes: Cause[] = [];
  for (const rule of listOf(schema["x-kubernetes-validations"])) {
    if (isObject(rule)) causes.push(...evaluateRule(rule, { value, old, schema, path, isRoot }));
  }
  if (Array.isArray(value) && isObject(schema["items"])) {
    const items = schema["items"];
    for (const [index, item] of value.entries()) {
      const before = correlated(item, old, schema);
      causes.push(...evaluateRules(item, before, items, `${path}[${index}]`, false));
    }
  } else if (isObject(value)) {
    const properties = isObject(schema["properties"]) ? schema["properties"] : {};
    for (const [key, item] of Object.entries(value)) {
      const isNamed = isObject(properties[key]);
      const property = properties[key] ?? schema["additionalProperties"];
      if (item === undefined || item === null || !isObject(property)) continue;
      const joined = path === "" ? key : `${path}.${key}`;
      const before = isObject(old) ? old[key] : undefined;
      const here = isNamed ? joined : `${path}[${key}]`;
      causes.push(...evaluateRules(item, before, property, here, false));
    }
  }
  return causes;
}

function correlated(item: Json, old: Json | undefined, schema: JsonObject): Json | undefined {
  if (schema["x-kubernetes-list-type"] !== "map" || !isObject(item)) return undefined;
  const keys = listOf(schema["x-kubernetes-list-map-keys"]).map(textOf);
  return listOf(old).find(
    (known) => isObject(known) && keys.every((key) => equal(known[key], item[key])),
  );
}

interface Place {
  value: Json;
  old: Json | undefined;
  schema: JsonObject;
  path: string;
  isRoot: boolean;
}

function evaluateRule(rule: JsonObject, place: Place): Cause[] {
  const source = textOf(rule["rule"]);
  const { old, schema, isRoot } = place;
  const isOptional = rule["optionalOldSelf"] === true;
  if (isTransitionRule(source) && old === undefined && !isOptional) return [];
  const oldValue = old === undefined ? undefined : celTyped(old, schema, isRoot);
  const variables = {
    self: celTyped(place.value, schema, isRoot),
    oldSelf: isOptional ? celOptional(oldValue) : oldValue,
  };
  try {
    if (programOf(source).evaluate(variables) === true) return [];
  } catch (error) {
    return [failure(rule, place, `${(error as Error).message} evaluating rule: ${source}`)];
  }
  return [failure(rule, place, messageOf(rule, variables))];
}

function messageOf(rule: JsonObject, variables: Record<string, unknown>): string {
  const expression = textOf(rule["messageExpression"]);
  if (expression !== "") {
    try {
      const message = textOf(programOf(expression).evaluate(variables)).trim();
      if (message !== "") return message;
    } catch {
      // kube-apiserver falls back to the message as well.
    }
  }
  return textOf(rule["message"]) || `failed rule: ${textOf(rule["rule"])}`;
}

function failure(rule: JsonObject, place: Place, message: string): Cause {
  const type = textOf(place.schema["type"]) || "object";
  const suffix = textOf(rule["fieldPath"]);
  const joined = `${place.path}${suffix}`.replace(/^\./, "");
  const field = joined === "" ? "<nil>" : joined;
  switch (rule["reason"]) {
    case "FieldValueForbidden":
      return { reason: "FieldValueForbidden", message: `Forbidden: ${message}`, field };
    case "FieldValueRequired":
      return { reason: "FieldValueRequired", message: `Required value: ${message}`, field };
    case "FieldValueDuplicate":
      return { reason: "FieldValueDuplicate", message: `Duplicate value: "${type}"`, field };
    default:
      return {
        reason: "FieldValueInvalid",
        message: `Invalid value: "${type}": ${message}`,
        field,
      };
  }
}
