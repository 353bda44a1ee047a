import type { Subject } from "./api-error.ts";
import type { ResourceType } from "./resource-type.ts";
import type { User } from "./user.ts";

/** One request on a resource, as authentication and routing understood it. */
export interface Call {
  user: User;
  userAgent: string;
  /** get, list, watch, create, update, patch, delete, deletecollection. */
  verb: string;
  type: ResourceType;
  /** Empty for cluster-scoped resources and for a list of all namespaces. */
  namespace: string;
  /** Empty for a collection. */
  name: string;
  /** Empty for the object itself. */
  subresource: string;
  fieldManager: string;
  fieldValidation: "Ignore" | "Warn" | "Strict";
  dryRun: boolean;
  /** Filled by whoever has something to say in a `Warning` header. */
  warnings: string[];
}

/** What a Status about this call's object names. */
export function subjectOf(call: Pick<Call, "type" | "name">): Subject {
  return { group: call.type.group, kind: call.type.plural, name: call.name };
}

/** What an `Invalid` Status about this call's object names. */
export function kindSubjectOf(call: Pick<Call, "type">, name: string): Subject {
  return { group: call.type.group, kind: call.type.kind, name };
}
