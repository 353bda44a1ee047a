import { isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

/**
 * How a list merges.
 *
 * - `map`     items are objects told apart by `keys`
 * - `set`     items are scalars, each at most once
 * - `atomic`  the list is one value
 */
export type ListShape =
  | { kind: "map"; keys: readonly string[] }
  | { kind: "set" }
  | { kind: "atomic" };

const atomic: ListShape = { kind: "atomic" };
const set: ListShape = { kind: "set" };

const metadataLists: Record<string, ListShape> = {
  "metadata.finalizers": set,
  "metadata.ownerReferences": { kind: "map", keys: ["uid"] },
};

/** Below any pod spec, by the last two names of the path. Source: patchMergeKey in k8s.io/api/core/v1. */
const podSpecLists: Record<string, string> = {
  "spec.containers": "name",
  "spec.initContainers": "name",
  "spec.ephemeralContainers": "name",
  "spec.volumes": "name",
  "spec.imagePullSecrets": "name",
  "spec.hostAliases": "ip",
  "spec.topologySpreadConstraints": "topologyKey",
  "spec.resourceClaims": "name",
  "containers.ports": "containerPort",
  "initContainers.ports": "containerPort",
  "containers.env": "name",
  "initContainers.env": "name",
  "containers.volumeMounts": "mountPath",
  "initContainers.volumeMounts": "mountPath",
  "containers.volumeDevices": "devicePath",
  "initContainers.volumeDevices": "devicePath",
};

const kindLists: Record<string, Record<string, ListShape>> = {
  Node: {
    "spec.podCIDRs": set,
    "status.addresses": { kind: "map", keys: ["type"] },
  },
  Pod: {
    "status.podIPs": { kind: "map", keys: ["ip"] },
    "status.hostIPs": { kind: "map", keys: ["ip"] },
  },
  Service: { "spec.ports": { kind: "map", keys: ["port"] } },
  ServiceAccount: {
    secrets: { kind: "map", keys: ["name"] },
    imagePullSecrets: { kind: "map", keys: ["name"] },
  },
};

/**
 * How a list of a built-in kind merges, by the path of names to it (list indices left out).
 * Lists that nothing is known of are atomic. That includes `Node.spec.taints`: upstream gives it no
 * merge key, so a patch replaces all of it.
 */
export function builtinListShape(kind: string): (path: readonly string[]) => ListShape {
  const ofKind = kindLists[kind] ?? {};
  return (path) => {
    const full = path.join(".");
    const shape = metadataLists[full] ?? ofKind[full];
    if (shape !== undefined) return shape;
    if (full === "status.conditions") return { kind: "map", keys: ["type"] };
    const key = podSpecLists[path.slice(-2).join(".")];
    return key === undefined ? atomic : { kind: "map", keys: [key] };
  };
}

/** How a list of a custom resource merges, from `x-kubernetes-list-type` in its schema. */
export function schemaListShape(
  schema: JsonObject | undefined,
): (path: readonly string[]) => ListShape {
  return (path) => {
    const ofMeta = metadataLists[path.join(".")];
    if (ofMeta !== undefined) return ofMeta;
    let here: Json | undefined = schema;
    for (const step of path) {
      if (isObject(here) && here["type"] === "array") here = here["items"];
      if (!isObject(here)) return atomic;
      const properties: Json | undefined = here["properties"];
      const known: Json | undefined = isObject(properties) ? properties[step] : undefined;
      here = known ?? here["additionalProperties"];
    }
    if (!isObject(here)) return atomic;
    switch (textOf(here["x-kubernetes-list-type"])) {
      case "map":
        return { kind: "map", keys: listOf(here["x-kubernetes-list-map-keys"]).map(textOf) };
      case "set":
        return set;
      default:
        return atomic;
    }
  };
}
