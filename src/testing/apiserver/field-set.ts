import { equal, isObject, listOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { ListShape } from "./list-shape.ts";

/**
 * Paths to the leaves of an object, in the steps of `fieldsV1`: `f:<name>`, `k:{…}` for an item of a
 * keyed list, `v:<json>` for an item of a set. Steps are joined by a NUL.
 */
export type FieldSet = Set<string>;

type ShapeOf = (path: readonly string[]) => ListShape;

const separator = "\0";

/** Metadata that no field manager owns. Source: resetFields and stripping in structured-merge-diff. */
const ownerless = new Set([
  "name",
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "managedFields",
  "generateName",
  "selfLink",
]);

/** The steps of a path. */
export function stepsOf(path: string): string[] {
  return path.split(separator);
}

/** The `k:` step of a keyed list's item. */
function keyStep(item: JsonObject, keys: readonly string[]): string {
  const chosen: JsonObject = {};
  for (const key of [...keys].sort()) if (item[key] !== undefined) chosen[key] = item[key];
  return `k:${JSON.stringify(chosen)}`;
}

/** All leaves of an object, with `apiVersion`, `kind` and the server's own metadata left out. */
export function fieldsOf(object: JsonObject, shapeOf: ShapeOf): FieldSet {
  const fields: FieldSet = new Set();
  for (const [key, value] of Object.entries(object)) {
    if (key === "apiVersion" || key === "kind" || value === undefined) continue;
    if (key !== "metadata") {
      collect(value, [`f:${key}`], [key], shapeOf, fields);
      continue;
    }
    for (const [name, item] of Object.entries(isObject(value) ? value : {})) {
      if (ownerless.has(name) || item === undefined) continue;
      collect(item, ["f:metadata", `f:${name}`], ["metadata", name], shapeOf, fields);
    }
  }
  return fields;
}

function collect(
  value: Json,
  steps: string[],
  names: string[],
  shapeOf: ShapeOf,
  fields: FieldSet,
): void {
  if (isObject(value) && Object.keys(value).length > 0) {
    for (const [key, item] of Object.entries(value)) {
      if (item !== undefined)
        collect(item, [...steps, `f:${key}`], [...names, key], shapeOf, fields);
    }
    return;
  }
  const shape = Array.isArray(value) ? shapeOf(names) : undefined;
  if (shape === undefined || shape.kind === "atomic" || listOf(value).length === 0) {
    fields.add(steps.join(separator));
    return;
  }
  for (const item of listOf(value)) {
    if (shape.kind === "set" || !isObject(item)) {
      fields.add([...steps, `v:${JSON.stringify(item)}`].join(separator));
      continue;
    }
    const step = [...steps, keyStep(item, shape.keys)];
    fields.add(step.join(separator));
    collect(item, step, names, shapeOf, fields);
  }
}

/** The form that `metadata.managedFields[].fieldsV1` has. */
export function toFieldsV1(fields: FieldSet): JsonObject {
  const root: JsonObject = {};
  for (const path of [...fields].sort()) {
    let here = root;
    for (const step of stepsOf(path)) {
      const next = here[step];
      const child = isObject(next) ? next : {};
      here[step] = child;
      here = child;
    }
    if (stepsOf(path).at(-1)?.startsWith("k:") === true) here["."] = {};
  }
  return root;
}

/** The set that a `fieldsV1` stands for. */
export function fromFieldsV1(fieldsV1: JsonObject): FieldSet {
  const fields: FieldSet = new Set();
  const walk = (node: JsonObject, steps: string[]): void => {
    const keys = Object.keys(node);
    if (keys.length === 0 && steps.length > 0) fields.add(steps.join(separator));
    for (const key of keys) {
      const child = node[key];
      if (key === ".") fields.add(steps.join(separator));
      else if (isObject(child)) walk(child, [...steps, key]);
    }
  };
  walk(fieldsV1, []);
  return fields;
}

function indexOfStep(list: Json[], step: string): number {
  const wanted: Json = JSON.parse(step.slice(2));
  if (step.startsWith("v:")) return list.findIndex((item) => equal(item, wanted));
  return list.findIndex(
    (item) =>
      isObject(item) &&
      isObject(wanted) &&
      Object.entries(wanted).every(([key, value]) => equal(item[key], value)),
  );
}

/** The value at a path, or undefined. */
export function valueAt(object: Json | undefined, path: string): Json | undefined {
  let here = object;
  for (const step of stepsOf(path)) {
    if (step.startsWith("f:")) here = isObject(here) ? here[step.slice(2)] : undefined;
    else here = Array.isArray(here) ? here[indexOfStep(here, step)] : undefined;
    if (here === undefined) return undefined;
  }
  return here;
}

/** Removes what is at a path from an object, in place, if it is there. */
export function removeAt(object: JsonObject, path: string): void {
  const steps = stepsOf(path);
  const last = steps.pop();
  const parent = steps.length === 0 ? object : valueAt(object, steps.join(separator));
  if (last === undefined) return;
  if (last.startsWith("f:")) {
    if (isObject(parent)) delete parent[last.slice(2)];
    return;
  }
  const index = Array.isArray(parent) ? indexOfStep(parent, last) : -1;
  if (index >= 0 && Array.isArray(parent)) parent.splice(index, 1);
}

/** True for the field of a keyed list's item that tells it from the others. */
export function isListKey(path: string): boolean {
  const steps = stepsOf(path);
  const item = steps.at(-2);
  if (item?.startsWith("k:") !== true) return false;
  return Object.hasOwn(JSON.parse(item.slice(2)) as JsonObject, steps.at(-1)?.slice(2) ?? "");
}

/** A path for people: `.spec.containers[name="a"].image`. */
export function readablePath(path: string): string {
  return stepsOf(path)
    .map((step) => {
      if (step.startsWith("f:")) return `.${step.slice(2)}`;
      if (step.startsWith("v:")) return `[=${step.slice(2)}]`;
      const keys = JSON.parse(step.slice(2)) as JsonObject;
      const pairs = Object.entries(keys).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
      return `[${pairs.join(",")}]`;
    })
    .join("");
}
