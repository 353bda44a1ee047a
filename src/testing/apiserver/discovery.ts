import type { Json, JsonObject } from "./json.ts";
import type { ResourceRegistry } from "./resource-registry.ts";
import { apiVersionOf } from "./resource-type.ts";
import type { ResourceType } from "./resource-type.ts";

/** What `/version` says. The minor version is that of the behaviour modelled. */
export const serverVersion: JsonObject = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.0-embedded",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: "linux/amd64",
};

/** `/api`: the core group's versions. */
export const coreVersions: JsonObject = { kind: "APIVersions", versions: ["v1"] };

function entriesOf(type: ResourceType): Json[] {
  const base = {
    name: type.plural,
    singularName: type.singular,
    namespaced: type.namespaced,
    kind: type.kind,
    verbs: [...type.verbs],
    ...(type.shortNames.length === 0 ? {} : { shortNames: [...type.shortNames] }),
    ...(type.categories.length === 0 ? {} : { categories: [...type.categories] }),
  };
  const below = (name: string, kind: string, verbs: string[]): Json => ({
    name: `${type.plural}/${name}`,
    singularName: "",
    namespaced: type.namespaced,
    kind,
    verbs,
  });
  return [
    base,
    ...(type.statusSubresource ? [below("status", type.kind, ["get", "patch", "update"])] : []),
    ...type.otherSubresources.map((name) =>
      below(name, name === "token" ? "TokenRequest" : "Eviction", ["create"]),
    ),
  ];
}

/** `/api/v1` or `/apis/<group>/<version>`, or undefined when nothing is served there. */
export function resourceList(
  registry: ResourceRegistry,
  group: string,
  version: string,
): JsonObject | undefined {
  const types = registry.all().filter((type) => type.group === group && type.version === version);
  if (types.length === 0) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersionOf({ group, version }),
    resources: types.flatMap(entriesOf),
  };
}

/** `/apis/<group>`, or undefined when there is no such group. */
export function apiGroup(registry: ResourceRegistry, group: string): JsonObject | undefined {
  const found = registry.all().filter((type) => type.group === group);
  const versions = [...new Set(found.map(apiVersionOf))].map((groupVersion) => ({
    groupVersion,
    version: groupVersion.split("/")[1] ?? groupVersion,
  }));
  const preferred = versions[0];
  if (preferred === undefined) return undefined;
  return {
    kind: "APIGroup",
    apiVersion: "v1",
    name: group,
    versions,
    preferredVersion: preferred,
  };
}

/** `/apis`: every group but the core one. */
export function apiGroupList(registry: ResourceRegistry): JsonObject {
  const names = new Set(registry.all().map((type) => type.group));
  names.delete("");
  const groups = [...names].map((name) => apiGroup(registry, name)).filter(isPresent);
  return { kind: "APIGroupList", apiVersion: "v1", groups };
}

function isPresent(value: JsonObject | undefined): value is JsonObject {
  return value !== undefined;
}
