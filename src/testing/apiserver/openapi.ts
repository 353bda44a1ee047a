import { builtinSchema } from "./builtin-schemas.ts";
import type { Json, JsonObject } from "./json.ts";
import { objectOf } from "./json.ts";
import type { ResourceRegistry } from "./resource-registry.ts";
import { apiVersionOf } from "./resource-type.ts";
import type { ResourceType } from "./resource-type.ts";

const metaName = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

const metaSchema: JsonObject = {
  type: "object",
  description: "Metadata that every object has.",
  properties: {
    name: { type: "string", description: "Unique within a namespace." },
    generateName: { type: "string", description: "A prefix for a name the server makes." },
    namespace: { type: "string", description: "Where the object lives." },
    uid: { type: "string", description: "Unique over time and space." },
    resourceVersion: { type: "string", description: "The version of the last write." },
    generation: { type: "integer", description: "Counts changes of the desired state." },
    creationTimestamp: { type: "string", format: "date-time", description: "When it was created." },
    deletionTimestamp: { type: "string", format: "date-time", description: "When it goes." },
    labels: {
      type: "object",
      additionalProperties: { type: "string" },
      description: "For selectors.",
    },
    annotations: {
      type: "object",
      additionalProperties: { type: "string" },
      description: "For tools.",
    },
    finalizers: {
      type: "array",
      items: { type: "string" },
      description: "What deletion waits for.",
    },
    ownerReferences: {
      type: "array",
      items: { type: "object" },
      description: "What it depends on.",
    },
  },
};

function pathOf(group: string, version: string): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

function schemaName(type: ResourceType): string {
  const reversed =
    type.group === "" ? "io.k8s.api.core" : type.group.split(".").toReversed().join(".");
  return `${reversed}.${type.version}.${type.kind}`;
}

function schemaOf(type: ResourceType, refersTo: string): JsonObject {
  const schema = type.schema ?? builtinSchema(type.kind);
  return {
    type: "object",
    ...schema,
    properties: {
      apiVersion: { type: "string", description: "The version of this object's shape." },
      kind: { type: "string", description: "What this object is." },
      ...objectOf(schema["properties"]),
      metadata: {
        description: "Metadata that every object has.",
        allOf: [{ $ref: `${refersTo}${metaName}` }],
        default: {},
      },
    },
    "x-kubernetes-group-version-kind": [
      { group: type.group, version: type.version, kind: type.kind },
    ],
  };
}

function query(name: string, form: "v2" | "v3"): JsonObject {
  const schema = { type: "string", uniqueItems: true };
  return form === "v3" ? { name, in: "query", schema } : { name, in: "query", ...schema };
}

function pathsOf(type: ResourceType, form: "v2" | "v3", refersTo: string): [string, Json][] {
  const base = `/${pathOf(type.group, type.version)}`;
  const scope = type.namespaced ? "/namespaces/{namespace}" : "";
  const collection = `${base}${scope}/${type.plural}`;
  const gvk = { group: type.group, version: type.version, kind: type.kind };
  const reference = { $ref: `${refersTo}${schemaName(type)}` };
  const write = (action: string): JsonObject => ({
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": gvk,
    parameters: ["dryRun", "fieldManager", "fieldValidation"].map((name) => query(name, form)),
    responses: {
      "200":
        form === "v3"
          ? { description: "OK", content: { "application/json": { schema: reference } } }
          : { description: "OK", schema: reference },
    },
  });
  return [
    [collection, { post: write("post") }],
    [`${collection}/{name}`, { get: write("get"), put: write("put"), patch: write("patch") }],
  ];
}

/** `/openapi/v3`: where the documents of each group and version are. */
export function openApiV3Index(registry: ResourceRegistry): JsonObject {
  const paths: JsonObject = {};
  for (const { group, version } of registry.all()) {
    const path = pathOf(group, version);
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}` };
  }
  return { paths };
}

/** `/openapi/v3/<api…>` of one group and version, or undefined when nothing is served there. */
export function openApiV3(
  registry: ResourceRegistry,
  group: string,
  version: string,
): JsonObject | undefined {
  const refersTo = "#/components/schemas/";
  const types = registry.all().filter((type) => type.group === group && type.version === version);
  if (types.length === 0) return undefined;
  const schemas: JsonObject = { [metaName]: metaSchema };
  for (const type of types) schemas[schemaName(type)] = schemaOf(type, refersTo);
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: apiVersionOf({ group, version }) },
    paths: Object.fromEntries(types.flatMap((type) => pathsOf(type, "v3", refersTo))),
    components: { schemas },
  };
}

/** `/openapi/v2` as JSON. */
export function openApiV2(registry: ResourceRegistry): JsonObject {
  const refersTo = "#/definitions/";
  const definitions: JsonObject = { [metaName]: metaSchema };
  for (const type of registry.all()) definitions[schemaName(type)] = schemaOf(type, refersTo);
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version: "v1.32.0" },
    paths: Object.fromEntries(registry.all().flatMap((type) => pathsOf(type, "v2", refersTo))),
    definitions,
  };
}
