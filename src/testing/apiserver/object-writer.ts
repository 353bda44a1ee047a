import { checkPolicy } from "./admission.ts";
import type { Admission } from "./admission.ts";
import {
  ApiError,
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  invalid,
  notFound,
  staleVersion,
} from "./api-error.ts";
import type { Cause } from "./api-error.ts";
import { applyBuiltinDefaults } from "./builtin-defaults.ts";
import { kindSubjectOf, subjectOf } from "./call.ts";
import type { Call } from "./call.ts";
import { evaluateRules } from "./cel-rules.ts";
import { timestamp } from "./clock.ts";
import { crdFinalizer, established, validateCrd } from "./crd.ts";
import { at, copyOf, equal, isObject } from "./json.ts";
import type { Json } from "./json.ts";
import type { KubeObject, ManagedFields } from "./kube-object.ts";
import { trackUpdate } from "./managed-fields.ts";
import type { FieldManager } from "./managed-fields.ts";
import {
  checkBuiltin,
  checkMetadata,
  checkMetadataTypes,
  checkMicroTimes,
  checkName,
  checkNewEvent,
} from "./object-checks.ts";
import type { ResourceRegistry } from "./resource-registry.ts";
import { apiVersionOf } from "./resource-type.ts";
import { applyDefaults, prune } from "./schema-default.ts";
import { validateSchema } from "./schema-validate.ts";
import type { Store } from "./store.ts";
import type { WriteLogEntry } from "./write-log.ts";

/** What a writer needs of its server. */
export interface WriterParts {
  store: Store;
  registry: ResourceRegistry;
  admission: Admission;
  nowMs: () => number;
  newUid: () => string;
  newSuffix: () => string;
  log: (entry: WriteLogEntry) => void;
}

const kindOfCrd = "CustomResourceDefinition";

/** Creates and changes objects the way kube-apiserver does: checks, defaults, admission, bookkeeping. */
export class ObjectWriter {
  readonly #parts: WriterParts;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** The stored object of a call. @throws {ApiError} 404. */
  stored(call: Call): KubeObject {
    const object = this.#parts.store.get(call.type.storage, call.namespace, call.name);
    if (object === undefined) throw notFound(subjectOf(call));
    return object;
  }

  /** True when the object of a call is there. */
  exists(call: Call): boolean {
    return this.#parts.store.get(call.type.storage, call.namespace, call.name) !== undefined;
  }

  /**
   * Creates an object; the answer is in the shape of the call's version.
   * @param owned true when the object comes with the `managedFields` of an apply.
   */
  create(
    call: Call,
    body: KubeObject,
    verb: "create" | "patch",
    sent: Json,
    owned = false,
  ): KubeObject {
    const { store } = this.#parts;
    checkIdentity(call, body);
    checkMetadataTypes(body);
    const object = copyOf(body);
    const metadata = object.metadata;
    if ((metadata.resourceVersion ?? "") !== "") {
      throw badRequest("resourceVersion should not be set on objects to be created");
    }
    if ((metadata.name ?? "") === "" && (metadata.generateName ?? "") !== "") {
      metadata.name = `${metadata.generateName}${this.#parts.newSuffix()}`;
    }
    const name = metadata.name ?? "";
    if (name === "") {
      const message = "Required value: name or generateName is required";
      throw invalid(kindSubjectOf(call, ""), [
        { reason: "FieldValueRequired", message, field: "metadata.name" },
      ]);
    }
    const named: Call = { ...call, name };
    if (call.type.namespaced) {
      this.#requireNamespace(named);
      metadata.namespace = call.namespace;
    } else delete metadata.namespace;
    metadata.uid = this.#parts.newUid();
    metadata.creationTimestamp = this.#now();
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
    delete metadata.generation;
    if (!owned) delete metadata.managedFields;
    if (call.type.generation) metadata.generation = 1;
    if (!call.type.statusOnCreate) delete object["status"];

    const complete = this.#complete(named, object, undefined);
    this.#admit(named, complete, undefined);
    if (store.get(call.type.storage, call.namespace, name) !== undefined) {
      throw alreadyExists(subjectOf(named));
    }
    const tracked = owned ? complete : this.#track(named, undefined, complete);
    if (call.dryRun) return call.type.encode(tracked);
    const stored = store.put(call.type.storage, tracked);
    this.#follow(stored);
    this.#log(named, verb, stored, sent);
    return call.type.encode(stored);
  }

  /**
   * Changes an object; the answer is in the shape of the call's version. Nothing is written when
   * nothing changes. Removing the last finalizer of an object under deletion removes the object.
   */
  update(
    call: Call,
    change: (old: KubeObject) => KubeObject,
    verb: "update" | "patch",
    sent: Json,
    owned = false,
  ): KubeObject {
    const { store } = this.#parts;
    const { type } = call;
    const old = this.stored(call);
    const body = change(copyOf(type.encode(old)));
    checkIdentity(call, body);
    checkMetadataTypes(body);
    this.#checkPreconditions(call, verb, body, old);
    const merged = mergeUpdate(call, type.decode(body), old);
    if (type.generation && specChanged(call, merged, old)) {
      merged.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
    const complete = this.#complete(call, merged, old);
    this.#admit(call, complete, old);
    const tracked = owned ? complete : this.#track(call, old, complete);
    if (owned ? equal(withoutTimes(tracked), withoutTimes(old)) : sameObject(tracked, old)) {
      return type.encode(old);
    }
    if (call.dryRun) return type.encode(tracked);
    const stored = store.put(type.storage, tracked);
    const isFinal = isReleased(stored);
    const last = isFinal ? store.remove(type.storage, stored) : stored;
    if (!isFinal) this.#follow(stored);
    else if (stored.kind === kindOfCrd) this.#parts.registry.withdraw(stored);
    this.#log(call, verb, last, sent);
    return type.encode(stored);
  }

  #now(): string {
    return timestamp(this.#parts.nowMs());
  }

  #requireNamespace(call: Call): void {
    const namespace = this.#parts.store.get("namespaces", "", call.namespace);
    if (namespace === undefined) {
      throw notFound({ group: "", kind: "namespaces", name: call.namespace });
    }
    if (namespace.metadata.deletionTimestamp === undefined) return;
    const why = `unable to create new content in namespace ${call.namespace} because it is being terminated`;
    const message = `namespace ${call.namespace} is being terminated`;
    throw forbidden(subjectOf(call), why, [
      { reason: "NamespaceTerminating", message, field: "metadata.namespace" },
    ]);
  }

  #checkPreconditions(call: Call, verb: string, body: KubeObject, old: KubeObject): void {
    const uid = body.metadata.uid ?? "";
    if (uid !== "" && uid !== old.metadata.uid) {
      if (verb === "patch") {
        const message = `Invalid value: ${JSON.stringify(uid)}: field is immutable`;
        throw invalid(kindSubjectOf(call, call.name), [
          { reason: "FieldValueInvalid", message, field: "metadata.uid" },
        ]);
      }
      throw conflict(
        subjectOf(call),
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
      );
    }
    const version = body.metadata.resourceVersion ?? "";
    if (version !== "" && version !== old.metadata.resourceVersion) {
      throw staleVersion(subjectOf(call));
    }
    if (version === "" && verb === "update" && !call.type.unconditionalUpdate) {
      const message = "Invalid value: 0x0: must be specified for an update";
      throw invalid(kindSubjectOf(call, call.name), [
        { reason: "FieldValueInvalid", message, field: "metadata.resourceVersion" },
      ]);
    }
    if (old.metadata.deletionTimestamp === undefined) return;
    const known = old.metadata.finalizers ?? [];
    const added = (body.metadata.finalizers ?? []).filter((item) => !known.includes(item));
    if (added.length === 0 || call.subresource !== "") return;
    const message = `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((item) => JSON.stringify(item)).join(", ")}}`;
    throw invalid(kindSubjectOf(call, call.name), [
      { reason: "FieldValueForbidden", message, field: "metadata.finalizers" },
    ]);
  }

  /** Defaults, pruning and every check, on the stored shape. */
  #complete(call: Call, given: KubeObject, old: KubeObject | undefined): KubeObject {
    const { type } = call;
    let object = type.decode(given);
    const name = object.metadata.name ?? "";
    const causes: Cause[] = [];
    if (old === undefined) causes.push(...checkName(type.kind, name));
    causes.push(...checkMetadata(object));
    if (type.schema === undefined) {
      checkMicroTimes(object);
      applyBuiltinDefaults(object, old === undefined);
      causes.push(...checkBuiltin(object, old));
      if (old === undefined && type.group === "events.k8s.io")
        causes.push(...checkNewEvent(object));
    } else {
      this.#checkUnknown(call, prune(object, type.schema));
      applyDefaults(object, type.schema);
      causes.push(...customCauses(object, old, call));
    }
    if (type.kind === kindOfCrd) causes.push(...validateCrd(object));
    if (causes.length > 0) throw invalid(kindSubjectOf(call, name), causes);
    if (type.kind === "ValidatingAdmissionPolicy") checkPolicy(object);
    if (type.kind === kindOfCrd) {
      object = established(object, this.#now());
      if (old === undefined) object.metadata.finalizers = [crdFinalizer];
    }
    return object;
  }

  #checkUnknown(call: Call, unknown: string[]): void {
    const fields = unknown.map((path) => `unknown field "${path}"`);
    if (fields.length === 0 || call.fieldValidation === "Ignore") return;
    if (call.fieldValidation === "Strict") {
      throw badRequest(
        `${call.type.kind} in version "${call.type.version}" cannot be handled as a ${call.type.kind}: strict decoding error: ${fields.join(", ")}`,
      );
    }
    call.warnings.push(...fields);
  }

  #admit(call: Call, object: KubeObject, old: KubeObject | undefined): void {
    const warnings = this.#parts.admission.review({
      operation: old === undefined ? "CREATE" : "UPDATE",
      type: call.type,
      subresource: call.subresource,
      namespace: call.namespace,
      name: call.name,
      user: call.user,
      object: call.type.encode(object),
      oldObject: old === undefined ? undefined : call.type.encode(old),
      dryRun: call.dryRun,
    });
    call.warnings.push(...warnings);
  }

  #track(call: Call, old: KubeObject | undefined, object: KubeObject): KubeObject {
    const who: FieldManager = {
      manager: call.fieldManager,
      operation: "Update",
      apiVersion: apiVersionOf(call.type),
      subresource: call.subresource,
    };
    return trackUpdate(old, object, who, this.#now(), call.type.listShape);
  }

  #follow(object: KubeObject): void {
    if (object.kind === kindOfCrd) this.#parts.registry.serve(object);
  }

  #log(call: Call, verb: WriteLogEntry["verb"], object: KubeObject, sent: Json): void {
    const { type, subresource } = call;
    this.#parts.log({
      tMs: this.#parts.nowMs(),
      user: call.user.name,
      userAgent: call.userAgent,
      verb,
      resource: subresource === "" ? type.plural : `${type.plural}/${subresource}`,
      group: type.group,
      namespace: call.namespace,
      name: object.metadata.name ?? "",
      resourceVersion: object.metadata.resourceVersion ?? "",
      body: copyOf(sent),
    });
  }
}

function customCauses(object: KubeObject, old: KubeObject | undefined, call: Call): Cause[] {
  const schema = call.type.schema ?? {};
  const causes = validateSchema(object, schema);
  if (causes.length === 0) return evaluateRules(object, old, schema);
  const message =
    'Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
  return [...causes, { reason: "FieldValueInvalid", message, field: "<nil>" }];
}

/** @throws {ApiError} 400 when the body is not the object that the path names. */
function checkIdentity(call: Call, body: KubeObject): void {
  const expected = apiVersionOf(call.type);
  if (body.apiVersion !== expected) {
    throw badRequest(
      `the API version in the data (${body.apiVersion}) does not match the expected API version (${expected})`,
    );
  }
  if (body.kind !== call.type.kind) {
    throw badRequest(
      `${body.kind} in version "${call.type.version}" cannot be handled as a ${call.type.kind}`,
    );
  }
  if (!isObject(body.metadata)) throw badRequest("the object has no metadata");
  const namespace = body.metadata.namespace ?? "";
  if (namespace !== "" && namespace !== call.namespace) {
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request`,
    );
  }
  const name = body.metadata.name ?? "";
  if (call.name !== "" && name !== call.name) {
    throw badRequest(
      `the name of the object (${name}) does not match the name on the URL (${call.name})`,
    );
  }
}

/** The object to store: what this path may not change is taken from the old one. */
function mergeUpdate(call: Call, body: KubeObject, old: KubeObject): KubeObject {
  const { type, subresource } = call;
  const isStatus = subresource === "status";
  const keepsMetadata = isStatus && type.schema !== undefined;
  const managed: ManagedFields[] | undefined = body.metadata.managedFields;
  const base: KubeObject = isStatus ? { ...copyOf(old) } : { ...body };
  const metadata = keepsMetadata ? { ...copyOf(old.metadata) } : { ...body.metadata };
  for (const key of [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
    ...(isStatus ? ["finalizers", "ownerReferences"] : []),
  ]) {
    const value = old.metadata[key];
    if (value === undefined) delete metadata[key];
    else metadata[key] = copyOf(value);
  }
  if (managed === undefined) delete metadata.managedFields;
  else metadata.managedFields = managed;
  base.metadata = metadata;
  const statusFrom = isStatus ? body : type.statusSubresource ? old : body;
  const status = statusFrom["status"];
  if (status === undefined) delete base["status"];
  else base["status"] = copyOf(status);
  return base;
}

function specChanged(call: Call, object: KubeObject, old: KubeObject): boolean {
  const rest = (from: KubeObject): Json => {
    const copy = { ...from } as Record<string, Json | undefined>;
    delete copy["metadata"];
    delete copy["apiVersion"];
    if (call.type.statusSubresource) delete copy["status"];
    return copy;
  };
  return !equal(rest(object), rest(old));
}

function withoutTimes(object: KubeObject): KubeObject {
  const entries = copyOf(object.metadata.managedFields ?? []);
  for (const entry of entries) entry.time = "";
  const metadata = { ...object.metadata, managedFields: entries };
  return { ...object, metadata };
}

function unmanaged(object: KubeObject): KubeObject {
  const metadata = { ...object.metadata };
  delete metadata.managedFields;
  return { ...object, metadata };
}

/** Equal but for who manages what. */
function sameObject(a: KubeObject, b: KubeObject): boolean {
  return equal(unmanaged(a), unmanaged(b));
}

/** True when an object under deletion has nothing left to wait for. */
export function isReleased(object: KubeObject): boolean {
  const { deletionTimestamp, finalizers, deletionGracePeriodSeconds } = object.metadata;
  if (deletionTimestamp === undefined || (finalizers ?? []).length > 0) return false;
  if (
    object.kind === "Namespace" &&
    (at(object, "spec", "finalizers") as Json[] | undefined)?.length
  ) {
    return false;
  }
  return (deletionGracePeriodSeconds ?? 0) === 0;
}

/** An error that is this server's own fault, as a Status. */
export function internalError(error: unknown): ApiError {
  const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new ApiError(500, "InternalError", `Internal error occurred: ${why}`);
}
