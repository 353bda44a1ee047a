import { ApiError } from "./api-error.ts";
import type { Call } from "./call.ts";
import { at, isObject, listOf, objectOf, textOf } from "./json.ts";
import type { KubeObject, OwnerReference } from "./kube-object.ts";
import { foregroundFinalizer, orphanFinalizer } from "./object-deleter.ts";
import type { ObjectDeleter } from "./object-deleter.ts";
import type { ObjectWriter } from "./object-writer.ts";
import { crdFinalizer } from "./crd.ts";
import type { ResourceRegistry } from "./resource-registry.ts";
import { splitApiVersion } from "./resource-type.ts";
import type { ResourceType } from "./resource-type.ts";
import type { Change, Store } from "./store.ts";
import { controllerUser } from "./user.ts";

const roundsMax = 100;

interface Parts {
  store: Store;
  registry: ResourceRegistry;
  writer: ObjectWriter;
  deleter: ObjectDeleter;
}

type OwnerState = "there" | "waiting" | "gone";

/**
 * What kube-controller-manager does after deletions: dependents whose owners are all gone go too,
 * `Foreground` and `Orphan` are carried out, and namespaces and CRDs under deletion are emptied.
 * It runs in the background, one event-loop turn after the write that gave it work.
 *
 * As upstream, an owner of a kind that is not served counts as being there.
 */
export class GarbageCollector {
  readonly #parts: Parts;
  #scheduled: NodeJS.Immediate | undefined;
  #idle: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
    parts.store.subscribe((change) => {
      if (givesWork(change)) this.#schedule();
    });
  }

  /** Resolves when there is nothing left to collect of what was written so far. */
  async settled(): Promise<void> {
    while (this.#scheduled !== undefined) await this.#idle;
  }

  /** Stops it for good. */
  close(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
  }

  #schedule(): void {
    if (this.#scheduled !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = promise;
    this.#scheduled = setImmediate(() => {
      this.#collect();
      this.#scheduled = undefined;
      resolve();
    });
  }

  #collect(): void {
    for (let round = 0; round < roundsMax; round += 1) {
      const before = this.#parts.store.version;
      for (const storage of this.#parts.store.storages()) {
        const type = this.#parts.registry.ofStorage(storage);
        if (type === undefined) continue;
        for (const object of this.#parts.store.list(storage)) this.#attempt(type, object);
      }
      if (this.#parts.store.version === before) return;
    }
  }

  #attempt(type: ResourceType, object: KubeObject): void {
    try {
      this.#visit(type, object);
    } catch (error) {
      // A policy may refuse; the next change anywhere makes for the next attempt.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  #visit(type: ResourceType, listed: KubeObject): void {
    const { name = "", namespace = "", uid } = listed.metadata;
    const object = this.#parts.store.get(type.storage, namespace, name);
    if (object === undefined || object.metadata.uid !== uid) return;
    if (object.metadata.deletionTimestamp !== undefined) {
      if (type.kind === "Namespace" && type.group === "") this.#emptyNamespace(type, object);
      else if (type.kind === "CustomResourceDefinition") this.#emptyCrd(type, object);
      else this.#finishPropagation(type, object);
      return;
    }
    this.#checkOwners(type, object);
  }

  #checkOwners(type: ResourceType, object: KubeObject): void {
    const references = object.metadata.ownerReferences ?? [];
    if (references.length === 0) return;
    const states = references.map((reference) => this.#stateOf(reference, object));
    if (states.includes("there")) {
      if (!states.includes("gone")) return;
      const left = references.filter((_, index) => states[index] !== "gone");
      this.#setMetadata(type, object, "ownerReferences", left);
      return;
    }
    this.#delete(type, object, states.includes("waiting") ? "Foreground" : "Background");
  }

  #stateOf(reference: OwnerReference, dependent: KubeObject): OwnerState {
    const { group, version } = splitApiVersion(reference.apiVersion);
    const type = this.#parts.registry.ofKind(group, version, reference.kind);
    if (type === undefined) return "there";
    const namespace = type.namespaced ? (dependent.metadata.namespace ?? "") : "";
    if (type.namespaced && namespace === "") return "there";
    const owner = this.#parts.store.get(type.storage, namespace, reference.name);
    if (owner?.metadata.uid !== reference.uid) return "gone";
    return (owner.metadata.finalizers ?? []).includes(foregroundFinalizer) ? "waiting" : "there";
  }

  #finishPropagation(type: ResourceType, owner: KubeObject): void {
    const finalizers = owner.metadata.finalizers ?? [];
    if (finalizers.includes(orphanFinalizer)) {
      for (const { type: kind, object } of this.#dependentsOf(owner)) {
        const left = (object.metadata.ownerReferences ?? []).filter(
          ({ uid }) => uid !== owner.metadata.uid,
        );
        this.#setMetadata(kind, object, "ownerReferences", left);
      }
      const left = finalizers.filter((item) => item !== orphanFinalizer);
      this.#setMetadata(type, owner, "finalizers", left);
      return;
    }
    if (!finalizers.includes(foregroundFinalizer)) return;
    const blocking = this.#dependentsOf(owner).filter(({ object }) =>
      (object.metadata.ownerReferences ?? []).some(
        ({ uid, blockOwnerDeletion }) => uid === owner.metadata.uid && blockOwnerDeletion === true,
      ),
    );
    if (blocking.length > 0) return;
    const left = finalizers.filter((item) => item !== foregroundFinalizer);
    this.#setMetadata(type, owner, "finalizers", left);
  }

  #dependentsOf(owner: KubeObject): { type: ResourceType; object: KubeObject }[] {
    const { store, registry } = this.#parts;
    return store.storages().flatMap((storage) => {
      const type = registry.ofStorage(storage);
      if (type === undefined) return [];
      return store
        .list(storage)
        .filter((object) =>
          (object.metadata.ownerReferences ?? []).some(({ uid }) => uid === owner.metadata.uid),
        )
        .map((object) => ({ type, object }));
    });
  }

  #emptyNamespace(type: ResourceType, namespace: KubeObject): void {
    const { store, registry } = this.#parts;
    const name = namespace.metadata.name ?? "";
    let isEmpty = true;
    for (const storage of store.storages()) {
      const kind = registry.ofStorage(storage);
      if (kind === undefined || !kind.namespaced) continue;
      for (const object of store.list(storage)) {
        if (object.metadata.namespace !== name) continue;
        if (object.metadata.deletionTimestamp === undefined)
          this.#delete(kind, object, "Background");
        if (store.get(storage, name, object.metadata.name ?? "") !== undefined) isEmpty = false;
      }
    }
    if (!isEmpty || listOf(at(namespace, "spec", "finalizers")).length === 0) return;
    const call = this.#call(type, namespace);
    this.#parts.writer.update(
      call,
      (old) => ({ ...old, spec: { ...objectOf(old["spec"]), finalizers: [] } }),
      "update",
      null,
    );
  }

  #emptyCrd(type: ResourceType, crd: KubeObject): void {
    const { store, registry } = this.#parts;
    const storage = crd.metadata.name ?? "";
    const kind = registry.ofStorage(storage);
    for (const object of store.list(storage)) {
      if (kind === undefined) continue;
      if (object.metadata.deletionTimestamp === undefined) this.#delete(kind, object, "Background");
    }
    if (store.list(storage).length > 0) return;
    const left = (crd.metadata.finalizers ?? []).filter((item) => item !== crdFinalizer);
    if (left.length === (crd.metadata.finalizers ?? []).length) return;
    this.#setMetadata(type, crd, "finalizers", left);
  }

  #delete(type: ResourceType, object: KubeObject, propagationPolicy: string): void {
    const uid = object.metadata.uid;
    this.#parts.deleter.delete(this.#call(type, object), {
      preconditions: { uid },
      propagationPolicy,
    });
  }

  #setMetadata(
    type: ResourceType,
    object: KubeObject,
    key: "finalizers" | "ownerReferences",
    value: string[] | OwnerReference[],
  ): void {
    this.#parts.writer.update(
      this.#call(type, object),
      (old) => {
        const metadata = { ...old.metadata };
        delete metadata[key];
        if (value.length > 0) Object.assign(metadata, { [key]: value });
        return { ...old, metadata };
      },
      "patch",
      { metadata: { [key]: value } },
    );
  }

  #call(type: ResourceType, object: KubeObject): Call {
    const isNamespace = type.kind === "Namespace" && isObject(object.metadata);
    const controller = isNamespace ? "namespace-controller" : "generic-garbage-collector";
    return {
      user: controllerUser(controller),
      userAgent: "kube-controller-manager",
      verb: "update",
      type,
      namespace: textOf(object.metadata.namespace),
      name: textOf(object.metadata.name),
      subresource: "",
      fieldManager: "kube-controller-manager",
      fieldValidation: "Ignore",
      dryRun: false,
      warnings: [],
    };
  }
}

function givesWork({ type, object, previous }: Change): boolean {
  if (type === "DELETED") return true;
  const isNewlyOwned =
    (object.metadata.ownerReferences ?? []).length > 0 &&
    (previous === undefined ||
      JSON.stringify(previous.metadata.ownerReferences) !==
        JSON.stringify(object.metadata.ownerReferences));
  return isNewlyOwned || object.metadata.deletionTimestamp !== undefined;
}
