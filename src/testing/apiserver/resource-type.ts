import type { ListShape } from "./list-shape.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";

/** One column of a Table answer. */
export interface Column {
  name: string;
  type: "string" | "integer" | "number" | "boolean" | "date";
  format?: string;
  description?: string;
  /** 0 is always shown, anything above only with `-o wide`. */
  priority?: number;
  /** The cell's value for one object, at a wall time in ms. */
  cell: (object: KubeObject, nowMs: number) => Json;
}

/** How a resource behaves in one served version. */
export interface ResourceType {
  group: string;
  version: string;
  kind: string;
  plural: string;
  singular: string;
  namespaced: boolean;
  shortNames: readonly string[];
  categories: readonly string[];
  /** True when `/status` is served and the main resource ignores `status`. */
  statusSubresource: boolean;
  /** Other paths below an object, such as `token` or `eviction`. */
  otherSubresources: readonly string[];
  verbs: readonly string[];
  /** Where objects live: versions and groups that share one kind of object share this. */
  storage: string;
  /** True when a PUT without `metadata.resourceVersion` is taken. */
  unconditionalUpdate: boolean;
  /** True when `metadata.generation` counts changes of anything but metadata and status. */
  generation: boolean;
  /** True when a create keeps the `status` it was sent. */
  statusOnCreate: boolean;
  /** True when strategic merge patch is taken. */
  strategicMerge: boolean;
  /** Paths that a field selector may name. */
  selectableFields: readonly string[];
  columns: readonly Column[];
  /** How lists at a path merge. */
  listShape: (path: readonly string[]) => ListShape;
  /** The structural schema of a custom resource. */
  schema: JsonObject | undefined;
  /** The version objects are stored in. */
  storageVersion: string;
  /** From this version's shape to the stored one. */
  decode: (object: KubeObject) => KubeObject;
  /** From the stored shape to this version's. */
  encode: (object: KubeObject) => KubeObject;
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(type: Pick<ResourceType, "group" | "version">): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/** Group and version of `v1` or `apps/v1`. */
export function splitApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf("/");
  if (slash < 0) return { group: "", version: apiVersion };
  return { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
