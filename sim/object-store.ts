import type { ObjectMeta } from "../src/api/object-meta.ts";
import type { Target } from "../src/operator/action.ts";

export type StoredObject = { readonly metadata: ObjectMeta & { readonly name: string } };

/** What becomes of a write; only `done` changed anything. */
export type WriteOutcome = "done" | "conflict" | "exists" | "gone";

/** What all objects of one API server share. */
export type Counters = {
  nextVersion(): string;
  nextUID(kind: string): string;
  wall(): string;
};

/**
 * The objects of one kind, as an API server keeps them: each change has a version of its own, a write
 * decided on another version fails, deletion waits for finalizers. Objects are never changed in
 * place, so that whoever holds one holds what it was.
 */
export class ObjectStore<Held extends StoredObject> {
  /** Told of every change; null where there was or is none. */
  readonly watchers: ((before: Held | null, now: Held | null) => void)[] = [];
  readonly #kind: string;
  readonly #counters: Counters;
  readonly #objects = new Map<string, Held>();
  #list: readonly Held[] | null = null;

  constructor(kind: string, counters: Counters) {
    this.#kind = kind;
    this.#counters = counters;
  }

  get(name: string): Held | null {
    return this.#objects.get(name) ?? null;
  }

  /** The same array until something changes. */
  list(): readonly Held[] {
    this.#list ??= [...this.#objects.values()];
    return this.#list;
  }

  /** Null where the name is taken. */
  create(object: Held): Held | null {
    const { name } = object.metadata;
    if (this.#objects.has(name)) {
      return null;
    }
    const created: Held = {
      ...object,
      metadata: {
        generation: 1,
        ...object.metadata,
        uid: this.#counters.nextUID(this.#kind),
        creationTimestamp: this.#counters.wall(),
        resourceVersion: this.#counters.nextVersion(),
      },
    };
    this.#keep(null, created);
    return created;
  }

  /** A write by somebody who reads and writes in one instant. Null where there is no such object. */
  update(name: string, change: (object: Held) => Held): Held | null {
    const before = this.get(name);
    if (before === null) {
      return null;
    }
    const changed = change(before);
    if (changed === before) {
      return before;
    }
    const now: Held = {
      ...changed,
      metadata: { ...changed.metadata, resourceVersion: this.#counters.nextVersion() },
    };
    this.#keep(before, now);
    return now;
  }

  /** A write decided on the version that `target` tells. */
  write(target: Target, change: (object: Held) => Held): WriteOutcome {
    const found = this.get(target.name);
    if (found === null) {
      return "gone";
    }
    const { uid, resourceVersion } = found.metadata;
    if (uid !== target.uid || resourceVersion !== target.resourceVersion) {
      return "conflict";
    }
    this.update(target.name, change);
    return "done";
  }

  /** Waits for finalizers, and where `grace` is given for whoever runs the object to confirm. */
  delete(name: string, grace?: "confirmed-by-its-kubelet"): void {
    this.update(name, (object) =>
      object.metadata.deletionTimestamp === undefined
        ? {
            ...object,
            metadata: {
              ...object.metadata,
              deletionTimestamp: this.#counters.wall(),
              ...(grace === undefined ? {} : { deletionGracePeriodSeconds: 30 }),
            },
          }
        : object,
    );
  }

  /** Gone at once, whoever still waits for it. */
  remove(name: string): void {
    const before = this.get(name);
    if (before !== null) {
      this.#objects.delete(name);
      this.#tell(before, null);
    }
  }

  #keep(before: Held | null, now: Held): void {
    const { name, deletionTimestamp, finalizers, deletionGracePeriodSeconds } = now.metadata;
    const waits = (finalizers?.length ?? 0) > 0 || deletionGracePeriodSeconds !== undefined;
    if (deletionTimestamp !== undefined && !waits) {
      this.remove(name);
      return;
    }
    this.#objects.set(name, now);
    this.#tell(before, now);
  }

  #tell(before: Held | null, now: Held | null): void {
    this.#list = null;
    // One that goes away as it hears must not make the next one deaf.
    for (const watcher of [...this.watchers]) {
      watcher(before, now);
    }
  }
}

/** RFC 7386: null removes, lists are replaced, and what is untouched stays the same object. */
export function mergePatch<Value>(target: Value, patch: object): Value {
  const result: Record<string, unknown> = { ...(target as Record<string, unknown>) };
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) {
      delete result[field];
    } else if (isObject(value)) {
      const old = result[field];
      result[field] = mergePatch(isObject(old) ? old : {}, value);
    } else if (value !== undefined) {
      result[field] = value;
    }
  }
  return result as Value;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
