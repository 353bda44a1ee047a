import { z } from "zod";

/** One CEL rule of `x-kubernetes-validations`. */
export type ValidationRule = {
  readonly rule: string;
  readonly message: string;
  /** CEL that yields the message; `message` stands in where it fails. */
  readonly messageExpression?: string;
  readonly reason?: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired";
  readonly fieldPath?: string;
};

/** Name of a Kubernetes object, 1..253 bytes. */
export const objectName = z.string().min(1).max(253);

/** RFC 3339 instant, wall clock: for people and for reports, never judged by. */
export const instant = z.iso.datetime({ offset: true });

/** The kernel's boot ID: a lower-case UUID with dashes. */
export const bootID = z
  .string()
  .max(36)
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

/** DMI product UUID, else /etc/machine-id: 32 lower-case hex digits. */
export const machineID = z
  .string()
  .max(32)
  .regex(/^[0-9a-f]{32}$/);

/** Slot on the device, 1..255; slot 0 is the device header. */
export const nodeID = z.int().min(1).max(255);

/** A number of whole things, at least 0. */
export const count = z.int().min(0);

/** Most characters of a text for people; what writes one cuts it, for a longer one is refused with all beside it. */
export const TEXT_LENGTH_MAX = 4_096;

/** Text for people. */
export const text = z.string().max(TEXT_LENGTH_MAX);

/** Adds a description, as `kubectl explain` shows it. */
export function described<S extends z.ZodType>(description: string, schema: S): S {
  return schema.meta({ description });
}

/** Adds a description and the rules the API server evaluates on each write. */
export function ruled<S extends z.ZodType>(
  description: string,
  rules: readonly ValidationRule[],
  schema: S,
): S {
  return schema.meta({ description, "x-kubernetes-validations": rules });
}

/** An array whose items are unique scalars. */
export function setOf<S extends z.ZodType>(
  description: string,
  maxItems: number,
  item: S,
): z.ZodArray<S> {
  return z.array(item).max(maxItems).meta({ description, "x-kubernetes-list-type": "set" });
}

/** An array that is replaced as a whole. */
export function atomicListOf<S extends z.ZodType>(
  description: string,
  maxItems: number,
  item: S,
): z.ZodArray<S> {
  return z.array(item).max(maxItems).meta({ description, "x-kubernetes-list-type": "atomic" });
}

/** An array whose items are told apart by `keys`; server-side apply merges it. */
export function mapListOf<S extends z.ZodType>(
  description: string,
  maxItems: number,
  keys: readonly string[],
  item: S,
): z.ZodArray<S> {
  return z.array(item).max(maxItems).meta({
    description,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": keys,
  });
}
