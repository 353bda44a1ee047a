import { ApiError, badRequest } from "./api-error.ts";
import { copyOf, equal, isObject, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

function cannotApply(message: string): ApiError {
  return new ApiError(
    422,
    "Invalid",
    `the server rejected our request due to an error in our request: ${message}`,
  );
}

function stepsOf(pointer: string): string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) throw badRequest(`invalid JSON pointer '${pointer}' in the patch`);
  return pointer
    .slice(1)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function indexOf(list: Json[], step: string, past: "end allowed" | "must exist"): number {
  if (step === "-" && past === "end allowed") return list.length;
  const index = /^(0|[1-9]\d*)$/.test(step) ? Number(step) : -1;
  const limit = past === "end allowed" ? list.length : list.length - 1;
  if (index < 0 || index > limit) throw cannotApply(`no list item '${step}' to patch`);
  return index;
}

function child(parent: Json | undefined, step: string): Json | undefined {
  if (Array.isArray(parent)) return parent[indexOf(parent, step, "must exist")];
  return isObject(parent) && Object.hasOwn(parent, step) ? parent[step] : undefined;
}

function read(root: Json, pointer: string): Json {
  let here: Json | undefined = root;
  for (const step of stepsOf(pointer)) here = child(here, step);
  if (here === undefined) throw cannotApply(`nothing is at '${pointer}'`);
  return here;
}

function parentOf(root: Json, pointer: string): { parent: Json[] | JsonObject; last: string } {
  const steps = stepsOf(pointer);
  const last = steps.pop();
  if (last === undefined) throw cannotApply("the whole object cannot be patched away");
  let here: Json | undefined = root;
  for (const step of steps) here = child(here, step);
  if (!Array.isArray(here) && !isObject(here)) {
    throw cannotApply(`the parent of '${pointer}' is not there`);
  }
  return { parent: here, last };
}

function add(root: Json, pointer: string, value: Json): void {
  const { parent, last } = parentOf(root, pointer);
  if (Array.isArray(parent)) parent.splice(indexOf(parent, last, "end allowed"), 0, value);
  else parent[last] = value;
}

function remove(root: Json, pointer: string): Json {
  const { parent, last } = parentOf(root, pointer);
  const value = read(root, pointer);
  if (Array.isArray(parent)) parent.splice(indexOf(parent, last, "must exist"), 1);
  else delete parent[last];
  return value;
}

/**
 * Applies an RFC 6902 patch to a copy.
 * @throws {ApiError} 422 when an operation finds nothing to work on or a `test` fails, 400 when it is malformed.
 */
export function applyJsonPatch(object: JsonObject, patch: Json): JsonObject {
  if (!Array.isArray(patch)) throw badRequest("a JSON patch must be a list of operations");
  const result = copyOf(object);
  for (const operation of patch) {
    if (!isObject(operation)) throw badRequest("an operation of a JSON patch must be an object");
    const path = textOf(operation["path"]);
    const value = copyOf(operation["value"] ?? null);
    switch (operation["op"]) {
      case "add":
        add(result, path, value);
        break;
      case "remove":
        remove(result, path);
        break;
      case "replace":
        remove(result, path);
        add(result, path, value);
        break;
      case "move":
        add(result, path, remove(result, textOf(operation["from"])));
        break;
      case "copy":
        add(result, path, copyOf(read(result, textOf(operation["from"]))));
        break;
      case "test":
        if (!equal(read(result, path), value)) {
          throw cannotApply(`testing value ${path} failed`);
        }
        break;
      default:
        throw badRequest(`unknown JSON patch operation '${textOf(operation["op"])}'`);
    }
  }
  return result;
}
