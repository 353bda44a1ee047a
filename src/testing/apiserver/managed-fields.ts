import { equal } from "./json.ts";
import { fieldsOf, fromFieldsV1, stepsOf, toFieldsV1, valueAt } from "./field-set.ts";
import type { FieldSet } from "./field-set.ts";
import type { KubeObject, ManagedFields } from "./kube-object.ts";
import type { ListShape } from "./list-shape.ts";

/** Who writes: what identifies one entry of `managedFields`. */
export interface FieldManager {
  manager: string;
  operation: "Apply" | "Update";
  apiVersion: string;
  subresource: string;
}

/** One entry, its fields as a set. */
export interface Ownership {
  entry: ManagedFields;
  fields: FieldSet;
}

/** All entries of an object. */
export function ownershipsOf(object: KubeObject | undefined): Ownership[] {
  return (object?.metadata.managedFields ?? []).map((entry) => ({
    entry,
    fields: fromFieldsV1(entry.fieldsV1),
  }));
}

/** True when the entry is this manager's. */
export function isOf(entry: ManagedFields, who: FieldManager): boolean {
  return (
    entry.manager === who.manager &&
    entry.operation === who.operation &&
    (entry.subresource ?? "") === who.subresource
  );
}

/** The entry of a manager for a set of fields. */
export function entryFor(who: FieldManager, fields: FieldSet, time: string): ManagedFields {
  return {
    manager: who.manager,
    operation: who.operation,
    apiVersion: who.apiVersion,
    time,
    fieldsType: "FieldsV1",
    fieldsV1: toFieldsV1(fields),
    ...(who.subresource === "" ? {} : { subresource: who.subresource }),
  };
}

/** Writes entries back, leaving out those that own nothing. */
export function withOwnerships(object: KubeObject, ownerships: Ownership[]): KubeObject {
  const entries = ownerships
    .filter(({ fields }) => fields.size > 0)
    .map(({ entry, fields }) => Object.assign({}, entry, { fieldsV1: toFieldsV1(fields) }));
  const metadata = { ...object.metadata };
  delete metadata.managedFields;
  if (entries.length > 0) metadata.managedFields = entries;
  return { ...object, metadata };
}

/**
 * After a create, PUT or patch: the writer owns every leaf it changed, nobody else owns those, and
 * leaves that are gone are owned by nobody.
 */
export function trackUpdate(
  before: KubeObject | undefined,
  after: KubeObject,
  who: FieldManager,
  time: string,
  shapeOf: (path: readonly string[]) => ListShape,
): KubeObject {
  const now = fieldsOf(after, shapeOf);
  const changed: FieldSet = new Set();
  for (const path of now) {
    const isItem = stepsOf(path).at(-1)?.startsWith("k:") === true;
    const old = valueAt(before, path);
    const same = isItem ? old !== undefined : equal(old, valueAt(after, path));
    if (!same) changed.add(path);
  }
  const ownerships = ownershipsOf(before);
  for (const ownership of ownerships) {
    for (const path of ownership.fields) {
      const mine = isOf(ownership.entry, who);
      const exists = valueAt(after, path) !== undefined;
      if (!exists || (changed.has(path) && !mine)) ownership.fields.delete(path);
    }
  }
  if (changed.size > 0) {
    const own = ownerships.find(({ entry }) => isOf(entry, who));
    if (own === undefined) {
      ownerships.push({ entry: entryFor(who, changed, time), fields: changed });
    } else {
      for (const path of changed) own.fields.add(path);
      own.entry = { ...own.entry, time, apiVersion: who.apiVersion };
    }
  }
  return withOwnerships(after, ownerships);
}
