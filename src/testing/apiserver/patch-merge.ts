import { copyOf, isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";

/** Applies an RFC 7386 merge patch to a copy: null removes, lists are replaced. */
export function applyMergePatch(object: JsonObject, patch: JsonObject): JsonObject {
  const result: JsonObject = { ...object };
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    const old = result[key];
    if (value === null) delete result[key];
    else if (isObject(value)) result[key] = applyMergePatch(isObject(old) ? old : {}, value);
    else result[key] = value;
  }
  return copyOf(result);
}
