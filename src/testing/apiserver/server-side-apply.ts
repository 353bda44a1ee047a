import { conflict } from "./api-error.ts";
import type { Subject } from "./api-error.ts";
import { copyOf, equal, isObject, listOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import { fieldsOf, isListKey, readablePath, removeAt, stepsOf, valueAt } from "./field-set.ts";
import type { KubeObject } from "./kube-object.ts";
import type { ListShape } from "./list-shape.ts";
import { entryFor, isOf, ownershipsOf, withOwnerships } from "./managed-fields.ts";
import type { FieldManager } from "./managed-fields.ts";

type ShapeOf = (path: readonly string[]) => ListShape;

/** What an apply needs to know. */
export interface ApplyRequest {
  live: KubeObject | undefined;
  applied: KubeObject;
  who: FieldManager;
  force: boolean;
  time: string;
  subject: Subject;
  shapeOf: ShapeOf;
}

/**
 * Server-side apply. The applied leaves are merged into the live object; leaves this manager applied
 * before and left out now are removed unless somebody else owns them too; a leaf that somebody else
 * owns with another value is a conflict, or with `force` changes hands.
 *
 * Simpler than structured-merge-diff in that: ownership is of leaves and of items of keyed lists
 * only, never of maps; a change of a field's type is not looked at; the order of merged lists is the
 * live order, then the new; entries of other API versions are compared without conversion; the
 * manager's own earlier `Update` entry conflicts as anybody else's does, as upstream.
 *
 * @throws {ApiError} 409 with one cause a conflicting field.
 */
export function serverSideApply(request: ApplyRequest): KubeObject {
  const { live, applied, who, shapeOf } = request;
  const wanted = fieldsOf(applied, shapeOf);
  const ownerships = ownershipsOf(live);
  const own = ownerships.find(({ entry }) => isOf(entry, who));
  const others = ownerships.filter((ownership) => ownership !== own);
  const conflicts: { manager: string; path: string }[] = [];
  for (const path of wanted) {
    if (stepsOf(path).at(-1)?.startsWith("k:") === true) continue;
    if (equal(valueAt(live, path), valueAt(applied, path))) continue;
    for (const other of others) {
      if (!other.fields.has(path)) continue;
      conflicts.push({ manager: other.entry.manager, path });
      if (request.force) other.fields.delete(path);
    }
  }
  if (conflicts.length > 0 && !request.force) throw applyConflict(request.subject, conflicts);

  const merged = copyOf(mergeApplied(live ?? {}, applied, [], shapeOf)) as KubeObject;
  const dropped = [...(own?.fields ?? [])].filter((path) => !wanted.has(path));
  // Items before what is in them: without its key an item could not be found any more.
  for (const path of dropped.sort((a, b) => a.length - b.length)) {
    if (isListKey(path)) continue;
    const isShared = others.some(({ fields }) =>
      [...fields].some((field) => field === path || field.startsWith(`${path}\0`)),
    );
    if (!isShared) removeAt(merged, path);
  }
  const previous = own?.entry;
  const entry = entryFor(who, wanted, request.time);
  const unchanged = previous !== undefined && equal(previous.fieldsV1, entry.fieldsV1);
  const mine = { entry: unchanged ? previous : entry, fields: wanted };
  return withOwnerships(merged, [...others, mine]);
}

function applyConflict(subject: Subject, conflicts: { manager: string; path: string }[]): Error {
  const count = conflicts.length;
  const names = conflicts.map(({ manager, path }) => `"${manager}": ${readablePath(path)}`);
  const message = `Apply failed with ${count} conflict${count === 1 ? "" : "s"}: conflict${count === 1 ? "" : "s"} with ${names.join(", ")}`;
  const error = conflict(
    subject,
    message,
    conflicts.map(({ manager, path }) => ({
      reason: "FieldManagerConflict",
      message: `conflict with "${manager}"`,
      field: readablePath(path),
    })),
  );
  error.message = message;
  return error;
}

function mergeApplied(
  live: JsonObject,
  applied: JsonObject,
  path: readonly string[],
  shapeOf: ShapeOf,
): JsonObject {
  const result: JsonObject = { ...live };
  for (const [key, value] of Object.entries(applied)) {
    if (value === undefined) continue;
    const old = result[key];
    const here = [...path, key];
    if (isObject(value)) result[key] = mergeApplied(isObject(old) ? old : {}, value, here, shapeOf);
    else if (Array.isArray(value)) result[key] = mergeList(listOf(old), value, here, shapeOf);
    else result[key] = value;
  }
  return result;
}

function mergeList(live: Json[], applied: Json[], path: string[], shapeOf: ShapeOf): Json[] {
  const shape = shapeOf(path);
  switch (shape.kind) {
    case "atomic":
      return applied;
    case "set":
      return [...live, ...applied.filter((item) => !live.some((known) => equal(known, item)))];
    case "map": {
      const result = [...live];
      for (const item of applied) {
        const index = result.findIndex(
          (known) =>
            isObject(known) &&
            isObject(item) &&
            shape.keys.every((key) => equal(known[key], item[key])),
        );
        const known = result[index];
        if (isObject(known) && isObject(item)) {
          result[index] = mergeApplied(known, item, path, shapeOf);
        } else {
          result.push(item);
        }
      }
      return result;
    }
  }
}
