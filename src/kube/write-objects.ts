import type { KubeClient, KubeRequest, RequestLimits } from "./kube-client.ts";
import { KubeError } from "./kube-error.ts";
import type { KubeObject } from "./kube-object.ts";
import { asObject } from "./read-objects.ts";
import {
  apiVersionOf,
  collectionPath,
  objectPath,
  type ObjectRef,
  type ResourceType,
} from "./resource-type.ts";

/**
 * What became of a write.
 *
 * - `done`       the object after it
 * - `conflict`   another version, UID or owner of a field than was thought, or it is there already
 * - `not-found`  there is no such object
 * - `refused`    not allowed or not valid; the same write again would be refused again
 */
export type WriteOutcome =
  | { readonly kind: "done"; readonly object: KubeObject }
  | { readonly kind: "conflict"; readonly message: string }
  | { readonly kind: "not-found"; readonly message: string }
  | {
      readonly kind: "refused";
      readonly code: "REFUSED" | "FORBIDDEN";
      readonly message: string;
    };

export type Patch =
  /** RFC 7386: null removes, lists are replaced. */
  | { readonly kind: "merge"; readonly body: Readonly<Record<string, unknown>> }
  /** RFC 6902. */
  | { readonly kind: "json"; readonly operations: readonly JsonPatchOperation[] };

export type JsonPatchOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string };

export type PatchOptions = RequestLimits & {
  readonly subresource?: "status";
  /** Only if this is the version there is: else `conflict`. */
  readonly resourceVersion?: string;
  /** Only if this is the object there is, and not a later one of the same name: else `conflict`. */
  readonly uid?: string;
};

export type DeleteOptions = RequestLimits & {
  readonly resourceVersion?: string;
  readonly uid?: string;
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
};

/**
 * Patches an object, or its status.
 *
 * @throws {KubeError} where it is unknown whether it was done, and for outages
 */
export async function patchObject(
  client: KubeClient,
  type: ResourceType,
  ref: ObjectRef,
  patch: Patch,
  { subresource, resourceVersion, uid, ...limits }: PatchOptions = {},
): Promise<WriteOutcome> {
  const preconditions = {
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(uid === undefined ? {} : { uid }),
  };
  // The server compares both with what it has; a failed `test` would be an error among others.
  const expectations = Object.entries(preconditions).map(([field, value]): JsonPatchOperation => ({
    op: "add",
    path: `/metadata/${field}`,
    value,
  }));
  return await write(client, type, {
    method: "PATCH",
    path: objectPath(type, ref, subresource),
    contentType: `application/${patch.kind === "merge" ? "merge-patch" : "json-patch"}+json`,
    body:
      patch.kind === "merge"
        ? mergeBody(patch.body, preconditions)
        : [...expectations, ...patch.operations],
    ...limits,
  });
}

/**
 * Creates an object; `conflict` where it is there already.
 *
 * @throws {KubeError}
 */
export async function createObject(
  client: KubeClient,
  type: ResourceType,
  object: {
    readonly metadata: {
      readonly name?: string;
      readonly generateName?: string;
      readonly namespace?: string;
    };
    readonly [field: string]: unknown;
  },
  limits: RequestLimits = {},
): Promise<WriteOutcome> {
  return await write(client, type, {
    method: "POST",
    path: collectionPath(type, object.metadata.namespace),
    body: { apiVersion: apiVersionOf(type), kind: type.kind, ...object },
    ...limits,
  });
}

/**
 * Server-side apply: the fields given become ours, as `fieldManager`; made where it is not there.
 *
 * @param ownership `force` takes fields that others own; `yield` answers `conflict`
 * @throws {KubeError}
 */
export async function applyObject(
  client: KubeClient,
  type: ResourceType,
  object: {
    readonly metadata: { readonly name: string; readonly namespace?: string };
    readonly [field: string]: unknown;
  },
  {
    fieldManager,
    ownership,
    subresource,
    ...limits
  }: RequestLimits & {
    readonly fieldManager: string;
    readonly ownership: "force" | "yield";
    readonly subresource?: "status";
  },
): Promise<WriteOutcome> {
  return await write(client, type, {
    method: "PATCH",
    path: objectPath(type, object.metadata, subresource),
    query: { fieldManager, force: String(ownership === "force") },
    contentType: "application/apply-patch+yaml",
    body: { apiVersion: apiVersionOf(type), kind: type.kind, ...object },
    ...limits,
  });
}

/**
 * Replaces an object; it must carry the resource version it was read with.
 *
 * @throws {KubeError}
 */
export async function replaceObject(
  client: KubeClient,
  type: ResourceType,
  object: KubeObject,
  limits: RequestLimits = {},
): Promise<WriteOutcome> {
  const { name, namespace, resourceVersion } = object.metadata;
  if (name === undefined || resourceVersion === undefined) {
    throw new TypeError(`Cannot replace a ${type.kind} without its name and resource version`);
  }
  return await write(client, type, {
    method: "PUT",
    path: objectPath(type, { name, namespace }),
    body: { ...object, apiVersion: apiVersionOf(type), kind: type.kind },
    ...limits,
  });
}

/**
 * Deletes an object; `done` also where its finalizers keep it for now.
 *
 * @throws {KubeError}
 */
export async function deleteObject(
  client: KubeClient,
  type: ResourceType,
  ref: ObjectRef,
  { resourceVersion, uid, gracePeriodSeconds, propagationPolicy, ...limits }: DeleteOptions = {},
): Promise<{ readonly kind: "done" } | Exclude<WriteOutcome, { readonly kind: "done" }>> {
  try {
    await client.request({
      method: "DELETE",
      path: objectPath(type, ref),
      body: {
        kind: "DeleteOptions",
        apiVersion: "v1",
        preconditions: { resourceVersion, uid },
        gracePeriodSeconds,
        propagationPolicy,
      },
      ...limits,
    });
    return { kind: "done" };
  } catch (error) {
    return outcomeOf(error);
  }
}

async function write(
  client: KubeClient,
  type: ResourceType,
  request: KubeRequest,
): Promise<WriteOutcome> {
  try {
    return { kind: "done", object: asObject(await client.request(request), type) };
  } catch (error) {
    return outcomeOf(error);
  }
}

/** A patch that names another UID is no conflict to kube-apiserver, but an invalid change (422). */
const OTHER_UID = /metadata\.uid: Invalid value: .*: field is immutable/;

function outcomeOf(error: unknown): Exclude<WriteOutcome, { readonly kind: "done" }> {
  if (error instanceof KubeError) {
    const { code, message } = error;
    if (code === "CONFLICT") return { kind: "conflict", message };
    if (code === "NOT_FOUND") return { kind: "not-found", message };
    if (OTHER_UID.test(message)) return { kind: "conflict", message };
    if (code === "REFUSED" || code === "FORBIDDEN") return { kind: "refused", code, message };
  }
  throw error;
}

function mergeBody(
  body: Readonly<Record<string, unknown>>,
  preconditions: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  const metadata = body["metadata"];
  return {
    ...body,
    metadata: { ...(typeof metadata === "object" ? metadata : {}), ...preconditions },
  };
}
