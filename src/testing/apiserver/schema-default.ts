import { copyOf, isObject } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

function below(schema: JsonObject, key: string): JsonObject | undefined {
  const properties = schema["properties"];
  const own = isObject(properties) ? properties[key] : undefined;
  if (isObject(own)) return own;
  const additional = schema["additionalProperties"];
  return isObject(additional) ? additional : undefined;
}

/** Fills in the schema's defaults, in place. A null where null is not allowed counts as absent. */
export function applyDefaults(value: Json | undefined, schema: JsonObject): void {
  if (Array.isArray(value)) {
    const items = schema["items"];
    if (isObject(items)) for (const item of value) applyDefaults(item, items);
    return;
  }
  if (!isObject(value)) return;
  const properties = schema["properties"];
  for (const [key, property] of Object.entries(isObject(properties) ? properties : {})) {
    if (!isObject(property) || property["default"] === undefined) continue;
    const isAbsent = value[key] === undefined;
    const isBadNull = value[key] === null && property["nullable"] !== true;
    if (isAbsent || isBadNull) value[key] = copyOf(property["default"]);
  }
  for (const [key, item] of Object.entries(value)) {
    const schemaOfItem = below(schema, key);
    if (schemaOfItem !== undefined) applyDefaults(item, schemaOfItem);
  }
}

const ofEveryObject = new Set(["apiVersion", "kind", "metadata"]);

/**
 * Removes fields that the schema does not know, in place, respecting
 * `x-kubernetes-preserve-unknown-fields` and `x-kubernetes-embedded-resource`.
 * @returns the paths of what was removed.
 */
export function prune(
  value: Json | undefined,
  schema: JsonObject,
  path = "",
  isRoot = true,
): string[] {
  if (Array.isArray(value)) {
    const items = schema["items"];
    if (!isObject(items)) return [];
    return value.flatMap((item, index) => prune(item, items, `${path}[${index}]`, false));
  }
  if (!isObject(value)) return [];
  const keepsUnknown = schema["x-kubernetes-preserve-unknown-fields"] === true;
  const isResource = isRoot || schema["x-kubernetes-embedded-resource"] === true;
  const removed: string[] = [];
  for (const [key, item] of Object.entries(value)) {
    if (isResource && ofEveryObject.has(key)) continue;
    const here = path === "" ? key : `${path}.${key}`;
    const schemaOfItem = below(schema, key);
    if (schemaOfItem !== undefined) {
      removed.push(...prune(item, schemaOfItem, here, false));
    } else if (!keepsUnknown && schema["additionalProperties"] !== true) {
      delete value[key];
      removed.push(here);
    }
  }
  return removed;
}
