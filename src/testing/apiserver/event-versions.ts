import { at, copyOf, objectOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";

/** Pairs of field names: as stored (core `v1`), as `events.k8s.io/v1` calls them. */
const renamed: [string, string][] = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["reportingComponent", "reportingController"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
];

function rename(object: KubeObject, pairs: [string, string][], apiVersion: string): KubeObject {
  const result: JsonObject = copyOf(object);
  const moved: [string, Json][] = [];
  for (const [from, to] of pairs) {
    const value = result[from];
    if (value !== undefined) moved.push([to, value]);
    delete result[from];
  }
  for (const [to, value] of moved) result[to] = value;
  result["apiVersion"] = apiVersion;
  return result as KubeObject;
}

/** An `events.k8s.io/v1` Event as it is stored. */
export function decodeEvent(event: KubeObject): KubeObject {
  const back = renamed.map(([core, modern]): [string, string] => [modern, core]);
  return rename(event, back, "v1");
}

/** A stored Event as `events.k8s.io/v1` shows it. */
export function encodeEvent(event: KubeObject): KubeObject {
  const shown = rename(event, renamed, "events.k8s.io/v1");
  if (textOf(shown["reportingController"]) === "") {
    const component = at(objectOf(shown["deprecatedSource"]), "component");
    if (component !== undefined) shown["reportingController"] = component;
  }
  return shown;
}
