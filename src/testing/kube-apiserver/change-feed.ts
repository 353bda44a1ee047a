import { readFileSync } from "node:fs";
import type { ClientRequest } from "node:http";
import { Agent, request } from "node:https";
import { at, textOf } from "../apiserver/json.ts";
import type { JsonObject } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/kube-object.ts";
import type { ResourceRegistry } from "../apiserver/resource-registry.ts";
import type { ResourceType } from "../apiserver/resource-type.ts";
import type { Change } from "../apiserver/store.ts";
import type { BlockingClient, RunningServer } from "./blocking-client.ts";
import { pathOf } from "./real-objects.ts";

/** Kinds that nobody follows: there are many, or they only answer. */
const UNFOLLOWED = /^(events|.*reviews|bindings|componentstatuses|.*\.metrics\.k8s\.io)/;

/** Calls back for every change of a real API server, kind by kind in order, from a moment on. */
export class ChangeFeed {
  readonly #agent: Agent;
  readonly #server: RunningServer;
  readonly #client: BlockingClient;
  readonly #registry: ResourceRegistry;
  readonly #stops = new Set<() => void>();

  constructor(server: RunningServer, client: BlockingClient, registry: ResourceRegistry) {
    this.#server = server;
    this.#client = client;
    this.#registry = registry;
    this.#agent = new Agent({
      keepAlive: false,
      ca: readFileSync(server.ca),
      cert: readFileSync(server.adminCert),
      key: readFileSync(server.adminKey),
    });
  }

  /** Every kind that is served now; returns how to stop. */
  follow(listener: (change: Change) => void): () => void {
    const types = new Map<string, ResourceType>();
    for (const type of this.#registry.all()) {
      if (type.verbs.includes("watch") && !UNFOLLOWED.test(type.storage)) {
        types.set(type.storage, type);
      }
    }
    const stops = [...types.values()].map((type) => this.#followOne(type, listener));
    const stop = (): void => {
      for (const one of stops) one();
      this.#stops.delete(stop);
    };
    this.#stops.add(stop);
    return stop;
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#agent.destroy();
  }

  #followOne(type: ResourceType, listener: (change: Change) => void): () => void {
    const known = new Map<string, KubeObject>();
    const { body } = this.#client.request("GET", pathOf(type, ""));
    for (const item of (body["items"] ?? []) as KubeObject[]) known.set(keyOf(item), item);
    let version = textOf(at(body, "metadata", "resourceVersion"));
    let isStopped = false;
    let outgoing: ClientRequest | undefined;
    const onEvent = ({ type: kind, object }: { type: string; object: JsonObject }): void => {
      const changed = object as KubeObject;
      version = textOf(at(object, "metadata", "resourceVersion")) || version;
      if (kind !== "ADDED" && kind !== "MODIFIED" && kind !== "DELETED") return;
      const previous = known.get(keyOf(changed));
      if (kind === "DELETED") known.delete(keyOf(changed));
      else known.set(keyOf(changed), changed);
      listener({
        type: kind,
        storage: type.storage,
        object: changed,
        previous,
        version: Number(version),
      });
    };
    const open = (): void => {
      if (isStopped) return;
      const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${version}`;
      const url = new URL(`${pathOf(type, "")}?${query}`, this.#server.url);
      let rest = "";
      const again = (): void => {
        if (!isStopped) setTimeout(open, 200).unref();
      };
      outgoing = request(url, { agent: this.#agent }, (response) => {
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          const lines = (rest + chunk).split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines)
            onEvent(JSON.parse(line) as { type: string; object: JsonObject });
        });
        response.on("error", () => undefined);
        response.on("close", again);
      });
      outgoing.on("error", again);
      outgoing.end();
    };
    open();
    return () => {
      isStopped = true;
      outgoing?.destroy();
    };
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name ?? ""}`;
}
