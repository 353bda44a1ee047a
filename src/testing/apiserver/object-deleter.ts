import type { Admission } from "./admission.ts";
import { conflict } from "./api-error.ts";
import { subjectOf } from "./call.ts";
import type { Call } from "./call.ts";
import { timestamp } from "./clock.ts";
import { at, copyOf, equal, isObject, objectOf, textOf } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { isReleased } from "./object-writer.ts";
import type { ObjectWriter, WriterParts } from "./object-writer.ts";

/** Finalizers that stand for the propagation policies `Foreground` and `Orphan`. */
export const foregroundFinalizer = "foregroundDeletion";
export const orphanFinalizer = "orphan";

/** What a DELETE did. */
export interface Deletion {
  /** The object as it is, or last was, in the shape of the call's version. */
  object: KubeObject;
  /** False when finalizers or a grace period keep it. */
  isGone: boolean;
}

/** Deletes objects the way kube-apiserver does: preconditions, grace, finalizers, admission. */
export class ObjectDeleter {
  readonly #parts: WriterParts & { admission: Admission };
  readonly #writer: ObjectWriter;

  constructor(parts: WriterParts, writer: ObjectWriter) {
    this.#parts = parts;
    this.#writer = writer;
  }

  /** @param options the `DeleteOptions` of the body, with those of the query put in. */
  delete(call: Call, options: JsonObject): Deletion {
    const { store, admission } = this.#parts;
    const { type } = call;
    const old = this.#writer.stored(call);
    checkPreconditions(call, options, old);
    const warnings = admission.review({
      operation: "DELETE",
      type,
      subresource: call.subresource,
      namespace: call.namespace,
      name: call.name,
      user: call.user,
      object: undefined,
      oldObject: type.encode(old),
      dryRun: call.dryRun,
    });
    call.warnings.push(...warnings);
    const marked = this.#mark(old, options);
    const isGone = isReleased(marked);
    if (call.dryRun) return { object: type.encode(marked), isGone };
    if (isGone) {
      const last = store.remove(type.storage, old);
      if (type.kind === "CustomResourceDefinition") this.#parts.registry.withdraw(last);
      this.#log(call, last, options);
      return { object: type.encode(last), isGone };
    }
    if (equal(marked, old)) return { object: type.encode(old), isGone };
    const stored = store.put(type.storage, marked);
    this.#log(call, stored, options);
    return { object: type.encode(stored), isGone };
  }

  /** The object with its deletion stamped on it. */
  #mark(old: KubeObject, options: JsonObject): KubeObject {
    const object = copyOf(old);
    const { metadata } = object;
    const policy = policyOf(options);
    const finalizers = new Set(metadata.finalizers);
    if (policy === "Foreground") finalizers.add(foregroundFinalizer);
    if (policy === "Orphan") finalizers.add(orphanFinalizer);
    if (finalizers.size > 0) metadata.finalizers = [...finalizers];
    const grace = graceOf(old, options);
    const isNew = metadata.deletionTimestamp === undefined;
    const isShorter = grace < (metadata.deletionGracePeriodSeconds ?? 0);
    if (isNew || isShorter) {
      metadata.deletionTimestamp = timestamp(this.#parts.nowMs() + grace * 1000);
      metadata.deletionGracePeriodSeconds = grace;
    }
    if (isNew && metadata.generation !== undefined) metadata.generation += 1;
    if (object.kind === "Namespace") {
      object["status"] = { ...objectOf(object["status"]), phase: "Terminating" };
    }
    return object;
  }

  #log(call: Call, object: KubeObject, options: JsonObject): void {
    this.#parts.log({
      tMs: this.#parts.nowMs(),
      user: call.user.name,
      userAgent: call.userAgent,
      verb: "delete",
      resource: call.type.plural,
      group: call.type.group,
      namespace: call.namespace,
      name: object.metadata.name ?? "",
      resourceVersion: object.metadata.resourceVersion ?? "",
      body: copyOf(options),
    });
  }
}

function policyOf(options: JsonObject): string {
  if (options["orphanDependents"] === true) return "Orphan";
  return textOf(options["propagationPolicy"]) || "Background";
}

/** Seconds that only a pod on a node gets: its kubelet ends them with a DELETE of grace 0. */
function graceOf(object: KubeObject, options: JsonObject): number {
  if (object.kind !== "Pod" || textOf(at(object, "spec", "nodeName")) === "") return 0;
  if (["Succeeded", "Failed"].includes(textOf(at(object, "status", "phase")))) return 0;
  const asked = options["gracePeriodSeconds"];
  if (typeof asked === "number") return Math.max(0, asked);
  const own = at(object, "spec", "terminationGracePeriodSeconds");
  return typeof own === "number" ? own : 30;
}

function checkPreconditions(call: Call, options: JsonObject, old: KubeObject): void {
  const wanted = options["preconditions"];
  if (!isObject(wanted)) return;
  const { uid, resourceVersion } = wanted;
  if (typeof uid === "string" && uid !== old.metadata.uid) {
    throw conflict(
      subjectOf(call),
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
    );
  }
  if (typeof resourceVersion === "string" && resourceVersion !== old.metadata.resourceVersion) {
    throw conflict(
      subjectOf(call),
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${old.metadata.resourceVersion}`,
    );
  }
}
