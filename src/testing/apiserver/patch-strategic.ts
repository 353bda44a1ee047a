import { badRequest } from "./api-error.ts";
import type { ListShape } from "./list-shape.ts";
import { copyOf, equal, isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

type ShapeOf = (path: readonly string[]) => ListShape;

const setOrder = "$setElementOrder/";
const fromList = "$deleteFromPrimitiveList/";
const retainKeys = "$retainKeys";

/**
 * Applies a strategic merge patch to a copy. Lists with a known merge key merge by it, sets merge,
 * all others are replaced. `$patch` (`delete`, `replace`, `merge`), `$deleteFromPrimitiveList`,
 * `$setElementOrder` and `$retainKeys` are obeyed.
 * @throws {ApiError} 400 when a list item has no merge key.
 */
export function applyStrategicMerge(
  object: JsonObject,
  patch: JsonObject,
  shapeOf: ShapeOf,
): JsonObject {
  return copyOf(mergeObject(object, patch, [], shapeOf));
}

function mergeObject(
  object: JsonObject,
  patch: JsonObject,
  path: readonly string[],
  shapeOf: ShapeOf,
): JsonObject {
  if (patch["$patch"] === "replace") return withoutDirectives(patch);
  if (patch["$patch"] === "delete") return {};
  const result: JsonObject = { ...object };
  const retained = patch[retainKeys];
  if (Array.isArray(retained)) {
    for (const key of Object.keys(result)) if (!retained.includes(key)) delete result[key];
  }
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined || key === "$patch" || key === retainKeys) continue;
    if (key.startsWith(setOrder)) continue;
    if (key.startsWith(fromList)) {
      const name = key.slice(fromList.length);
      result[name] = listOf(result[name]).filter(
        (item) => !listOf(value).some((gone) => equal(item, gone)),
      );
      continue;
    }
    const old = result[key];
    const here = [...path, key];
    if (value === null) delete result[key];
    else if (isObject(value))
      result[key] = mergeObject(isObject(old) ? old : {}, value, here, shapeOf);
    else if (Array.isArray(value)) result[key] = mergeList(listOf(old), value, here, shapeOf);
    else result[key] = value;
  }
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(setOrder)) continue;
    const name = key.slice(setOrder.length);
    result[name] = inOrder(listOf(result[name]), listOf(order), shapeOf([...path, name]));
  }
  return result;
}

function mergeList(old: Json[], patch: Json[], path: string[], shapeOf: ShapeOf): Json[] {
  const shape = shapeOf(path);
  if (patch.some((item) => isObject(item) && item["$patch"] === "replace")) {
    return patch.filter((item) => !(isObject(item) && item["$patch"] === "replace"));
  }
  switch (shape.kind) {
    case "atomic":
      return patch;
    case "set":
      return [...old, ...patch.filter((item) => !old.some((known) => equal(known, item)))];
    case "map":
      return mergeKeyed(old, patch, shape.keys, path, shapeOf);
  }
}

function mergeKeyed(
  old: Json[],
  patch: Json[],
  keys: readonly string[],
  path: string[],
  shapeOf: ShapeOf,
): Json[] {
  const result = [...old];
  for (const item of patch) {
    if (!isObject(item) || keys.some((key) => item[key] === undefined)) {
      throw badRequest(
        `map: ${JSON.stringify(item)} does not contain declared merge key: ${keys.join(",")}`,
      );
    }
    const index = result.findIndex(
      (known) => isObject(known) && keys.every((key) => equal(known[key], item[key])),
    );
    const known = result[index];
    if (item["$patch"] === "delete") {
      if (index >= 0) result.splice(index, 1);
    } else if (isObject(known)) {
      result[index] = mergeObject(known, item, path, shapeOf);
    } else {
      result.push(withoutDirectives(mergeObject({}, item, path, shapeOf)));
    }
  }
  return result;
}

function inOrder(list: Json[], order: Json[], shape: ListShape): Json[] {
  const placeOf = (item: Json): number => {
    const place = order.findIndex((wanted) => {
      if (shape.kind !== "map") return equal(wanted, item);
      return (
        isObject(wanted) &&
        isObject(item) &&
        shape.keys.every((key) => equal(wanted[key], item[key]))
      );
    });
    return place < 0 ? order.length : place;
  };
  return list
    .map((item) => ({ item, place: placeOf(item) }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

function withoutDirectives(object: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(object)) {
    if (
      textOf(key).startsWith("$") &&
      (key === "$patch" || key === retainKeys || key.includes("/"))
    )
      continue;
    result[key] = value;
  }
  return result;
}
