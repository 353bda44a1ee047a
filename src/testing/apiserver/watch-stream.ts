import type { ServerResponse } from "node:http";
import { expired } from "./api-error.ts";
import type { Call } from "./call.ts";
import type { FaultSubject, Faults } from "./faults.ts";
import type { JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { ResponseWriter } from "./response-writer.ts";
import { apiVersionOf } from "./resource-type.ts";
import type { Selector } from "./selectors.ts";
import { listSnapshot } from "./store.ts";
import type { Change, Snapshot, Store } from "./store.ts";
import { partialMetadata, tableOf } from "./table.ts";
import type { Form } from "./table.ts";

const queueMax = 100_000;

/** What a watch asks for. */
export interface WatchRequest {
  call: Call;
  selects: Selector;
  form: Form;
  /** The `resourceVersion` query value. */
  resourceVersion: string;
  /** Undefined: until somebody closes it. */
  timeoutSeconds: number | undefined;
  wantsBookmarks: boolean;
  sendInitialEvents: boolean;
}

/** What a watch needs of its server. */
export interface WatchParts {
  store: Store;
  faults: Faults<Snapshot>;
  nowMs: () => number;
  bookmarkIntervalMs: number;
}

interface Queued {
  /** The store's version that the event speaks of; 0 for the initial state. */
  version: number;
  line: () => string;
}

/**
 * One open watch: the state or the history that the client asked for, then every change, until the
 * client, a timeout or the server ends it. Faults hold its events back; none is lost by that.
 */
export class WatchStream {
  readonly subject: FaultSubject;
  readonly #request: WatchRequest;
  readonly #parts: WatchParts;
  readonly #response: ServerResponse;
  readonly #writer: ResponseWriter;
  readonly #queue: Queued[] = [];
  readonly #cleanups: (() => void)[] = [];
  #afterVersion = 0;
  #isDoomed = false;

  constructor(
    request: WatchRequest,
    parts: WatchParts,
    response: ServerResponse,
    subject: FaultSubject,
  ) {
    this.subject = subject;
    this.#request = request;
    this.#parts = parts;
    this.#response = response;
    this.#writer = new ResponseWriter(response, () => {
      return parts.faults.peek(subject, "slow")?.effect.bytesPerSecond;
    });
    response.writeHead(200, {
      "content-type": "application/json",
      "cache-control": "no-cache, private",
    });
    response.flushHeaders();
    response.once("close", () => this.#cleanUp());
    if (this.#begin()) this.#follow();
  }

  /** Ends the stream as a server does that closes its watches. */
  end(): void {
    this.#cleanUp();
    this.#writer.end();
  }

  /** Sends a bookmark, if the client takes them. */
  bookmark(): void {
    if (!this.#request.wantsBookmarks) return;
    this.#enqueueBookmark(this.#parts.store.version, {});
  }

  #begin(): boolean {
    const { store, faults } = this.#parts;
    const { resourceVersion, sendInitialEvents } = this.#request;
    const isFromNow = resourceVersion === "" || resourceVersion === "0";
    if (!isFromNow && !sendInitialEvents) {
      this.#afterVersion = Number(resourceVersion);
      const missed = store.since(this.#afterVersion);
      if (missed === undefined) {
        const error = expired(this.#afterVersion, store.oldestVersion);
        this.#writer.write(`${JSON.stringify({ type: "ERROR", object: error.toStatus() })}\n`);
        this.end();
        return false;
      }
      for (const change of missed) this.#onChange(change);
      return true;
    }
    const stale = resourceVersion === "" ? undefined : faults.peek(this.subject, "stale");
    const snapshot = stale?.frozen ?? store.snapshot();
    this.#afterVersion = snapshot.version;
    for (const object of listSnapshot(snapshot, this.#request.call.type.storage)) {
      if (this.#selects(object)) this.#enqueue(0, "ADDED", object);
    }
    if (sendInitialEvents) {
      this.#enqueueBookmark(snapshot.version, { "k8s.io/initial-events-end": "true" });
    }
    for (const change of store.since(snapshot.version) ?? []) this.#onChange(change);
    return true;
  }

  #follow(): void {
    const { store, faults, bookmarkIntervalMs } = this.#parts;
    const { timeoutSeconds } = this.#request;
    this.#cleanups.push(
      store.subscribe((change) => this.#onChange(change)),
      faults.onChange(() => this.#flush()),
    );
    const bookmarks = setInterval(() => this.bookmark(), bookmarkIntervalMs);
    this.#cleanups.push(() => clearInterval(bookmarks));
    if (timeoutSeconds !== undefined) {
      const timeout = setTimeout(() => {
        this.bookmark();
        this.end();
      }, timeoutSeconds * 1000);
      this.#cleanups.push(() => clearTimeout(timeout));
    }
    this.#flush();
  }

  #cleanUp(): void {
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
  }

  #selects(object: KubeObject): boolean {
    const { call, selects } = this.#request;
    if (call.namespace !== "" && object.metadata.namespace !== call.namespace) return false;
    if (call.name !== "" && object.metadata.name !== call.name) return false;
    return selects(call.type.encode(object));
  }

  #onChange(change: Change): void {
    const { storage } = this.#request.call.type;
    if (change.version <= this.#afterVersion) return;
    if (change.type === "DELETED" && change.object.kind === "CustomResourceDefinition") {
      if (change.object.metadata.name === storage) this.end();
    }
    if (change.storage !== storage) return;
    const before = change.previous !== undefined && this.#selects(change.previous);
    const now = change.type !== "DELETED" && this.#selects(change.object);
    if (now) this.#enqueue(change.version, before ? "MODIFIED" : "ADDED", change.object);
    else if (before) this.#enqueue(change.version, "DELETED", change.object);
  }

  #enqueue(version: number, type: string, object: KubeObject): void {
    this.#push(version, () => JSON.stringify({ type, object: this.#shown(object) }));
  }

  #enqueueBookmark(version: number, annotations: { [key: string]: string }): void {
    const { type } = this.#request.call;
    const object: KubeObject = {
      apiVersion: apiVersionOf(type),
      kind: type.kind,
      metadata: {
        resourceVersion: String(version),
        creationTimestamp: null as unknown as string,
        ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      },
    };
    this.#push(version, () => JSON.stringify({ type: "BOOKMARK", object }));
  }

  #push(version: number, line: () => string): void {
    this.#queue.push({ version, line });
    if (this.#queue.length > queueMax) this.#response.destroy();
    else this.#flush();
  }

  #shown(object: KubeObject): JsonObject {
    const { call, form } = this.#request;
    const encoded = call.type.encode(object);
    switch (form.kind) {
      case "object":
        return encoded;
      case "metadata":
        return partialMetadata(encoded);
      case "table": {
        const metadata = { resourceVersion: object.metadata.resourceVersion };
        return tableOf(call.type, [encoded], form.include, metadata, this.#parts.nowMs());
      }
    }
  }

  #flush(): void {
    const { faults } = this.#parts;
    if (this.#isDoomed) return;
    if (faults.peek(this.subject, "drop") !== undefined) {
      this.#response.destroy();
      return;
    }
    const partition = faults.peek(this.subject, "partition");
    if (partition !== undefined) {
      if (partition.effect.afterwards === "cut" && !this.#isDoomed) {
        this.#isDoomed = true;
        void partition.removed.then(() => this.#response.destroy());
      }
      return;
    }
    const frozen = faults.peek(this.subject, "stale")?.frozen.version ?? Number.POSITIVE_INFINITY;
    while (this.#queue.length > 0) {
      const next = this.#queue[0];
      if (next === undefined || next.version > frozen) return;
      this.#queue.shift();
      this.#writer.write(`${next.line()}\n`);
    }
  }
}
