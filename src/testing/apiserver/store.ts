import { EventEmitter } from "node:events";
import assert from "node:assert/strict";
import type { KubeObject } from "./kube-object.ts";

/** One write, as a watch sees it. `object` carries the write's own resource version. */
export interface Change {
  type: "ADDED" | "MODIFIED" | "DELETED";
  storage: string;
  object: KubeObject;
  previous: KubeObject | undefined;
  version: number;
}

/** All objects at one resource version. */
export interface Snapshot {
  version: number;
  objects: ReadonlyMap<string, ReadonlyMap<string, KubeObject>>;
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function keyOfObject(object: KubeObject): string {
  return keyOf(object.metadata.namespace ?? "", object.metadata.name ?? "");
}

/**
 * Every object, one counter of resource versions over all of them, and a bounded history for
 * watches. Objects in it are never changed, only replaced; callers must not change them either.
 */
export class Store {
  readonly #tables = new Map<string, Map<string, KubeObject>>();
  readonly #history: Change[] = [];
  readonly #historyMax: number;
  readonly #emitter = new EventEmitter();
  #version = 1;
  #compacted = 0;

  /** @param historyMax how many changes a watch can look back. */
  constructor(historyMax: number) {
    this.#historyMax = historyMax;
    this.#emitter.setMaxListeners(0);
  }

  /** The resource version of the latest write. */
  get version(): number {
    return this.#version;
  }

  /** A watch may start from this resource version or a later one. */
  get oldestVersion(): number {
    return this.#compacted;
  }

  get(storage: string, namespace: string, name: string): KubeObject | undefined {
    return this.#tables.get(storage)?.get(keyOf(namespace, name));
  }

  /** All objects of a kind, in the order of namespace and name. */
  list(storage: string): KubeObject[] {
    return sorted(this.#tables.get(storage));
  }

  /** Every kind of object there is. */
  storages(): string[] {
    return [...this.#tables.keys()];
  }

  /** Stores a new or changed object and gives it the next resource version. */
  put(storage: string, object: KubeObject): KubeObject {
    const table = this.#tables.get(storage) ?? new Map<string, KubeObject>();
    this.#tables.set(storage, table);
    const key = keyOfObject(object);
    const previous = table.get(key);
    const stored = this.#stamp(object);
    table.set(key, stored);
    this.#record(storage, previous === undefined ? "ADDED" : "MODIFIED", stored, previous);
    return stored;
  }

  /** Removes an object that is there. */
  remove(storage: string, object: KubeObject): KubeObject {
    const table = this.#tables.get(storage);
    const previous = table?.get(keyOfObject(object));
    assert(table !== undefined && previous !== undefined, "only what is stored can be removed");
    table.delete(keyOfObject(object));
    const last = this.#stamp(previous);
    this.#record(storage, "DELETED", last, previous);
    return last;
  }

  /** The changes after a resource version, or undefined when they are compacted away. */
  since(version: number): Change[] | undefined {
    if (version < this.#compacted) return undefined;
    return this.#history.filter((change) => change.version > version);
  }

  /** Forgets all history up to now: watches from earlier versions get 410. */
  compact(): void {
    this.#compacted = this.#version;
    this.#history.length = 0;
  }

  /** What is there now; later writes do not show in it. */
  snapshot(): Snapshot {
    const objects = new Map<string, ReadonlyMap<string, KubeObject>>();
    for (const [storage, table] of this.#tables) objects.set(storage, new Map(table));
    return { version: this.#version, objects };
  }

  /** Calls back for every change, in order, synchronously; returns how to stop that. */
  subscribe(listener: (change: Change) => void): () => void {
    this.#emitter.on("change", listener);
    return () => this.#emitter.off("change", listener);
  }

  #stamp(object: KubeObject): KubeObject {
    this.#version += 1;
    const metadata = { ...object.metadata, resourceVersion: String(this.#version) };
    return { ...object, metadata };
  }

  #record(
    storage: string,
    type: Change["type"],
    object: KubeObject,
    previous: KubeObject | undefined,
  ): void {
    const change: Change = { type, storage, object, previous, version: this.#version };
    this.#history.push(change);
    while (this.#history.length > this.#historyMax) {
      this.#compacted = this.#history.shift()?.version ?? this.#compacted;
    }
    this.#emitter.emit("change", change);
  }
}

function sorted(table: ReadonlyMap<string, KubeObject> | undefined): KubeObject[] {
  if (table === undefined) return [];
  const keys = [...table.keys()].sort();
  return keys.map((key) => table.get(key)).filter((object) => object !== undefined);
}

/** All objects of a kind in a snapshot, in the order of namespace and name. */
export function listSnapshot(snapshot: Snapshot, storage: string): KubeObject[] {
  return sorted(snapshot.objects.get(storage));
}

/** One object of a snapshot. */
export function getFromSnapshot(
  snapshot: Snapshot,
  storage: string,
  namespace: string,
  name: string,
): KubeObject | undefined {
  return snapshot.objects.get(storage)?.get(keyOf(namespace, name));
}
