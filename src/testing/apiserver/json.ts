/** Anything JSON can hold. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

/** A JSON object; a key may be absent. */
export interface JsonObject {
  [key: string]: Json | undefined;
}

/** True for a JSON object, false for null, arrays and scalars. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as an object, or an empty object that belongs to nobody. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** The value as a list, or an empty one. */
export function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : [];
}

/** The value as a string, or the empty string. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A deep copy. JSON values only. */
export function copyOf<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => copyOf(item)) as T;
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) copy[key] = copyOf(item);
  }
  return copy as T;
}

/** Deep equality. The order of keys does not matter, that of list items does. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => equal(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys) {
    if (!equal(a[key], b[key])) return false;
  }
  return true;
}

/** The value at a path of keys and indices, or undefined where the path ends early. */
export function at(value: unknown, ...path: (string | number)[]): Json | undefined {
  let here = value;
  for (const step of path) {
    if (typeof step === "number") here = Array.isArray(here) ? here[step] : undefined;
    else here = isObject(here) && Object.hasOwn(here, step) ? here[step] : undefined;
  }
  return here as Json | undefined;
}
