import { setTimeout as delay } from "node:timers/promises";

import { backoffMs, type Backoff } from "./backoff.ts";
import type { KubeClient } from "./kube-client.ts";
import { KubeError } from "./kube-error.ts";
import { fieldAt, textAt, type KubeObject } from "./kube-object.ts";
import { listObjects, selectors } from "./read-objects.ts";
import { collectionPath, type ResourceType } from "./resource-type.ts";

export type ResourceCacheOptions = {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /**
   * Something may have changed: once after each list, and after changes that the watch brought, which
   * are gathered for `gatherMs`. Whoever listens looks at the whole snapshot.
   */
  readonly onChange?: () => void;
  readonly gatherMs?: number;
  /** From one consistent list to the next, whatever the watch says; `RESYNC_MS` where left out. */
  readonly resyncMs?: number;
  /** What of each object is kept, where not all of it: its metadata must be. */
  readonly keep?: (object: KubeObject) => KubeObject;
  /** Objects an answer to a list; fewer where they are large, since an answer is held as a whole. */
  readonly pageObjects?: number;
  /** A failure that is new, and when it is over. */
  readonly onTrouble?: (trouble: string | null) => void;
  readonly backoff?: Backoff;
};

/** All objects of a kind as they were a moment ago; never to be judged by where a GET is due. */
export type ResourceCache = {
  /** A first list has come. It stays true in an outage: the cache is then old. */
  readonly synced: boolean;
  /** Wall clock of the start of the last successful list, ms; null before the first. */
  readonly listedWallMs: number | null;
  /** Resolves with the first list, never where the server does not answer. */
  whenSynced(): Promise<void>;
  /** The same array until something changes. */
  snapshot(): readonly KubeObject[];
  get(name: string, namespace?: string): KubeObject | undefined;
  close(): void;
};

export const RESYNC_MS = 60_000;
/** The server ends each watch after so long, so that one that went silent is found out. */
const WATCH_SECONDS = 30;
const WATCH_SILENCE_MS = (WATCH_SECONDS + 10) * 1_000;
/** A watch that ended before is taken for a failure, or a server that closes at once is hammered. */
const WATCH_MS_MIN = 1_000;
const GATHER_MS = 50;
/** Errors with a number in them would each be news. */
const SAID_MAX = 8;
const BACKOFF: Backoff = { minMs: 200, maxMs: 10_000 };

/**
 * Lists and watches a kind until it is closed: watches again from where the last watch ended, lists
 * again when the server has forgotten that place (410), when `resyncMs` have passed, and after
 * errors with a bounded backoff.
 */
export function resourceCache(
  client: KubeClient,
  type: ResourceType,
  options: ResourceCacheOptions = {},
): ResourceCache {
  const { namespace, labelSelector, fieldSelector, onChange, onTrouble } = options;
  const { keep = (object) => object, pageObjects } = options;
  const { gatherMs = GATHER_MS, resyncMs = RESYNC_MS, backoff = BACKOFF } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const objects = new Map<string, KubeObject>();
  const firstList = Promise.withResolvers<void>();
  let snapshot: readonly KubeObject[] | null = null;
  let listedWallMs: number | null = null;
  let resourceVersion: string | null = null;
  let listedMs = -Infinity;
  let failures = 0;
  /** Since it last worked. */
  const said = new Set<string>();
  let gathering: NodeJS.Timeout | null = null;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const startedMs = performance.now();
      try {
        if (resourceVersion === null || startedMs - listedMs >= resyncMs) {
          await list(startedMs);
        }
        await watch();
      } catch (error) {
        await standBack(error);
      }
    }
  }

  async function list(startedMs: number): Promise<void> {
    const startedWallMs = Date.now();
    const found = await listObjects(client, type, {
      ...selectors({ namespace, labelSelector, fieldSelector }),
      ...(pageObjects === undefined ? {} : { pageObjects }),
      keep: keepOrHave,
      signal,
    });
    objects.clear();
    for (const object of found.items) {
      objects.set(keyOf(object), object);
    }
    ({ resourceVersion } = found);
    listedMs = startedMs;
    listedWallMs = startedWallMs;
    firstList.resolve();
    changed();
  }

  /**
   * The object that is held already where it is of the same version. A list every minute would else replace
   * each of thousands by its like, have it parsed again, and leave the old ones to the collector.
   */
  function keepOrHave(object: KubeObject): KubeObject {
    const held = objects.get(keyOf(object));
    const isHeld =
      held?.metadata.resourceVersion !== undefined &&
      held.metadata.resourceVersion === object.metadata.resourceVersion &&
      held.metadata.uid === object.metadata.uid;
    return isHeld ? held : keep(object);
  }

  async function watch(): Promise<void> {
    const untilMs = Math.max(1, listedMs + resyncMs - performance.now());
    const stream = await client.stream(
      collectionPath(type, namespace),
      {
        watch: "true",
        allowWatchBookmarks: "true",
        resourceVersion: resourceVersion ?? "",
        timeoutSeconds: String(WATCH_SECONDS),
        ...selectors({ labelSelector, fieldSelector }),
      },
      { silenceMs: WATCH_SILENCE_MS, signal },
    );
    const openedMs = performance.now();
    let resyncDue = false;
    tell(null);
    const resync = setTimeout(() => {
      resyncDue = true;
      stream.close();
    }, untilMs);
    try {
      for await (const line of stream.lines) {
        take(JSON.parse(line));
      }
    } catch (error) {
      if (!resyncDue) throw error;
    } finally {
      clearTimeout(resync);
      stream.close();
      if (performance.now() - openedMs >= WATCH_MS_MIN) failures = 0;
    }
    if (!resyncDue && performance.now() - openedMs < WATCH_MS_MIN) {
      throw new KubeError("SERVER", `the watch of ${type.plural} ended at once`);
    }
  }

  /** @throws {KubeError} what the server says in the stream */
  function take(event: unknown): void {
    const kind = textAt(event, "type");
    const object = fieldAt(event, "object") as KubeObject;
    if (kind === "ERROR") {
      const code = fieldAt(object, "code") === 410 ? "GONE" : "SERVER";
      throw new KubeError(code, `the watch of ${type.plural}: ${textAt(object, "message")}`);
    }
    resourceVersion = textAt(object, "metadata", "resourceVersion") || resourceVersion;
    if (kind === "BOOKMARK") {
      return;
    }
    if (kind === "DELETED") {
      objects.delete(keyOf(object));
    } else {
      objects.set(keyOf(object), keep(object));
    }
    snapshot = null;
    gathering ??= setTimeout(changed, gatherMs);
  }

  async function standBack(cause: unknown): Promise<void> {
    if (signal.aborted) {
      return;
    }
    // Forgotten or unreadable: only a list tells where things stand.
    const isTransport = cause instanceof KubeError && cause.code !== "GONE";
    if (!isTransport) {
      resourceVersion = null;
    }
    failures += 1;
    if (!(cause instanceof KubeError && cause.code === "GONE")) {
      tell(cause instanceof Error ? cause.message : String(cause));
    }
    const asked = cause instanceof KubeError ? (cause.retryAfterMs ?? 0) : 0;
    const waitMs = Math.max(asked, backoffMs(backoff, failures, Math.random()));
    try {
      await delay(waitMs, undefined, { signal });
    } catch {
      // Closed meanwhile.
    }
  }

  function tell(trouble: string | null): void {
    if (trouble === null) {
      if (said.size > 0) onTrouble?.(null);
      said.clear();
    } else if (!said.has(trouble) && said.size < SAID_MAX) {
      said.add(trouble);
      onTrouble?.(trouble);
    }
  }

  function changed(): void {
    if (gathering !== null) clearTimeout(gathering);
    gathering = null;
    snapshot = null;
    if (!signal.aborted) onChange?.();
  }

  void run();
  return {
    get synced() {
      return listedWallMs !== null;
    },
    get listedWallMs() {
      return listedWallMs;
    },
    whenSynced: () => firstList.promise,
    snapshot() {
      snapshot ??= [...objects.values()];
      return snapshot;
    },
    get: (name, within) => objects.get(`${within ?? ""}/${name}`),
    close() {
      closing.abort();
      if (gathering !== null) clearTimeout(gathering);
    },
  };
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name ?? ""}`;
}
