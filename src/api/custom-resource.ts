import { z } from "zod";
import type { ValidationRule } from "./field.ts";
import { API_VERSION } from "./group.ts";
import { InvalidObjectError } from "./invalid-object-error.ts";
import { objectMeta } from "./object-meta.ts";
import type { ObjectMeta } from "./object-meta.ts";

/** A column of `kubectl get`. */
export type PrinterColumn = {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly jsonPath: string;
  readonly description: string;
  /** Above 0: shown with `-o wide` only. */
  readonly priority?: number;
};

/** All there is to say about a kind: its CRD is generated from this, its objects parsed by it. */
export type CustomResource<
  Kind extends string,
  Spec extends z.ZodType,
  Status extends z.ZodObject,
> = {
  readonly kind: Kind;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly scope: "Cluster" | "Namespaced";
  readonly description: string;
  readonly spec: Spec;
  /** The API server refuses objects without a spec. */
  readonly specRequired: boolean;
  /** Without a field: the kind has no status and no status subresource. */
  readonly status: Status;
  readonly columns: readonly PrinterColumn[];
  /** Rules over the whole object; of metadata they see `name` and `generateName` alone. */
  readonly rules: readonly ValidationRule[];
};

/** An object of ours as controllers work with it: defaults filled in, unknown fields dropped. */
export type CustomObject<Kind extends string, Spec, Status> = {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: Kind;
  readonly metadata: ObjectMeta & { readonly name: string };
  readonly spec: Spec;
  /** Empty where nothing has been reported yet. */
  readonly status: Status;
};

/** What parsing an object yields. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: InvalidObjectError };

const envelope = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: objectMeta.extend({ name: z.string().min(1) }),
  spec: z.unknown().optional(),
  status: z.unknown().optional(),
});

/**
 * Parses an object as the API server hands it out. Fields that are null count as absent, as the API
 * server itself treats them. Never throws: an object stored before a rule existed, or by hand into
 * etcd, must not stop a controller.
 */
export function parseCustomObject<
  Kind extends string,
  Spec extends z.ZodType,
  Status extends z.ZodObject,
>(
  resource: CustomResource<Kind, Spec, Status>,
  object: unknown,
): Parsed<CustomObject<Kind, z.output<Spec>, z.output<Status>>> {
  const bare = withoutNulls(object);
  const outer = envelope.safeParse(bare);
  if (!outer.success) return refused(resource.kind, undefined, outer.error, []);
  const { apiVersion, kind, metadata } = outer.data;
  if (kind !== resource.kind || apiVersion !== API_VERSION) {
    const message = `Expected a ${resource.kind} of ${API_VERSION}, got a ${kind} of ${apiVersion}: nothing is done for it. Delete it or fix its apiVersion and kind.`;
    return { ok: false, error: new InvalidObjectError("WRONG_KIND", message) };
  }
  const spec = resource.spec.safeParse(outer.data.spec ?? {});
  if (!spec.success) return refused(kind, metadata.name, spec.error, ["spec"]);
  const status = resource.status.safeParse(outer.data.status ?? {});
  if (!status.success) return refused(kind, metadata.name, status.error, ["status"]);
  return {
    ok: true,
    value: {
      apiVersion: API_VERSION,
      kind: resource.kind,
      metadata,
      spec: spec.data,
      status: status.data,
    },
  };
}

function refused(
  kind: string,
  name: string | undefined,
  error: z.ZodError,
  at: readonly string[],
): { ok: false; error: InvalidObjectError } {
  const faults = error.issues.map(
    (issue) => `${[...at, ...issue.path].join(".") || "object"}: ${issue.message}`,
  );
  const who = name === undefined ? kind : `${kind} '${name}'`;
  const message = `${who} is not valid: nothing is done for it until it is put right. ${faults.join("; ")}`;
  return { ok: false, error: new InvalidObjectError("BAD_FIELD", message) };
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (value === null || typeof value !== "object") return value;
  // The official client hands out class instances and Date objects.
  if (value instanceof Date) return value.toISOString();
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null && inner !== undefined)
      .map(([key, inner]) => [key, withoutNulls(inner)]),
  );
}
