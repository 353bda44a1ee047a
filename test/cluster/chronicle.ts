import type { KubeClient } from "../../src/kube/kube-client.ts";
import type { KubeObject } from "../../src/kube/kube-object.ts";
import { resourceCache } from "../../src/kube/resource-cache.ts";
import type { ResourceCache } from "../../src/kube/resource-cache.ts";
import type { ResourceType } from "../../src/kube/resource-type.ts";
import { bounded } from "../vm/bounded.ts";
import { monoMs } from "../vm/monotonic.ts";

/** A change of an object as a watch of this machine's brought it; `object` is undefined once it is gone. */
export type ObjectChange = {
  readonly atMs: number;
  readonly kind: string;
  readonly before: KubeObject | undefined;
  readonly object: KubeObject | undefined;
};

/** What became of the cluster's objects, dated outside of it. */
export class Chronicle {
  readonly changes: ObjectChange[] = [];
  readonly #caches = new Map<string, ResourceCache>();
  readonly #client: KubeClient;
  readonly #listeners = new Set<(change: ObjectChange) => void>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** Follows a kind from now on. */
  async follow(type: ResourceType): Promise<void> {
    let known = new Map<string, KubeObject>();
    const cache = resourceCache(this.#client, type, {
      gatherMs: 0,
      onChange: () => {
        const now = new Map(cache.snapshot().map((object) => [object.metadata.uid ?? "", object]));
        for (const [uid, object] of now) {
          const before = known.get(uid);
          if (before?.metadata.resourceVersion === object.metadata.resourceVersion) continue;
          this.#tell({ atMs: monoMs(), kind: type.kind, before, object });
        }
        for (const [uid, before] of known) {
          if (now.has(uid)) continue;
          this.#tell({ atMs: monoMs(), kind: type.kind, before, object: undefined });
        }
        known = now;
      },
    });
    this.#caches.set(type.kind, cache);
    await cache.whenSynced();
  }

  /** All objects of a kind that is followed. */
  all(kind: string): readonly KubeObject[] {
    return this.#caches.get(kind)?.snapshot() ?? [];
  }

  get(kind: string, name: string, namespace?: string): KubeObject | undefined {
    return this.#caches.get(kind)?.get(name, namespace);
  }

  onChange(listener: (change: ObjectChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What `look` finds, now or after one of the changes to come. */
  async until<T>(what: string, boundMs: number, look: () => T | undefined): Promise<T> {
    const found = Promise.withResolvers<T>();
    const tryOnce = (): void => {
      const seen = look();
      if (seen !== undefined) found.resolve(seen);
    };
    const stop = this.onChange(tryOnce);
    tryOnce();
    try {
      return await bounded(found.promise, boundMs, what);
    } finally {
      stop();
    }
  }

  close(): void {
    for (const cache of this.#caches.values()) cache.close();
    this.#caches.clear();
  }

  #tell(change: ObjectChange): void {
    this.changes.push(change);
    for (const listener of this.#listeners) listener(change);
  }
}
