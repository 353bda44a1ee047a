import { builtinColumns } from "./builtin-columns.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import type { Column, ResourceType } from "./resource-type.ts";

/** What a client asked to be answered with. */
export type Form =
  | { kind: "object" }
  | { kind: "table"; include: "Metadata" | "Object" | "None" }
  | { kind: "metadata" };

/** The form that an Accept header and the `includeObject` query value ask for. */
export function formOf(accept: string, includeObject: string | null): Form {
  for (const part of accept.split(",")) {
    if (part.includes("as=Table") && part.includes("v=v1;")) {
      const include =
        includeObject === "Object" || includeObject === "None" ? includeObject : "Metadata";
      return { kind: "table", include };
    }
    if (part.includes("as=PartialObjectMetadata")) return { kind: "metadata" };
    if (part.trim().startsWith("application/json") && !part.includes("as=")) break;
  }
  return { kind: "object" };
}

function definitionOf(column: Column): JsonObject {
  return {
    name: column.name,
    type: column.type,
    format: column.format ?? "",
    description: column.description ?? column.name,
    priority: column.priority ?? 0,
  };
}

/** Metadata alone, as `meta.k8s.io/v1` shows it. */
export function partialMetadata(object: KubeObject): JsonObject {
  return {
    kind: "PartialObjectMetadata",
    apiVersion: "meta.k8s.io/v1",
    metadata: object.metadata,
  };
}

/** A `meta.k8s.io/v1` Table of objects. */
export function tableOf(
  type: ResourceType,
  objects: KubeObject[],
  include: "Metadata" | "Object" | "None",
  metadata: JsonObject,
  nowMs: number,
): JsonObject {
  const isEvent = type.kind === "Event" && type.group === "events.k8s.io";
  const columns = isEvent ? builtinColumns("Event") : type.columns;
  const rows = objects.map((object): Json => {
    const shown = isEvent ? type.decode(object) : object;
    const cells = columns.map((column) => column.cell(shown, nowMs));
    if (include === "None") return { cells };
    return { cells, object: include === "Object" ? object : partialMetadata(object) };
  });
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: columns.map(definitionOf),
    rows,
  };
}
