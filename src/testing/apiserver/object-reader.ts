import { ApiError, notFound } from "./api-error.ts";
import { subjectOf } from "./call.ts";
import type { Call } from "./call.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { apiVersionOf } from "./resource-type.ts";
import type { Selector } from "./selectors.ts";
import { getFromSnapshot, listSnapshot } from "./store.ts";
import type { Snapshot, Store } from "./store.ts";
import { partialMetadata, tableOf } from "./table.ts";
import type { Form } from "./table.ts";

const pagesMax = 100;

/** One page of a list. */
export interface Page {
  objects: KubeObject[];
  version: number;
  continueToken: string;
  remaining: number;
}

/** What a list asks for. */
export interface ListRequest {
  call: Call;
  selects: Selector;
  /** The `resourceVersion` query value: empty is consistent, `0` takes a stale cache's word. */
  resourceVersion: string;
  limit: number;
  continueToken: string;
}

/** Reads objects, from the store or from what a stale cache remembers. */
export class ObjectReader {
  readonly #store: Store;
  readonly #pages = new Map<string, { rest: KubeObject[]; version: number }>();
  #tokens = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws {ApiError} 404. */
  get(call: Call, stale: Snapshot | undefined): KubeObject {
    const { type, namespace, name } = call;
    const object =
      stale === undefined
        ? this.#store.get(type.storage, namespace, name)
        : getFromSnapshot(stale, type.storage, namespace, name);
    if (object === undefined) throw notFound(subjectOf(call));
    return type.encode(object);
  }

  /** @throws {ApiError} 410 for a continue token that is too old, 504 for a version of the future. */
  list(request: ListRequest, stale: Snapshot | undefined): Page {
    const { call, limit, continueToken } = request;
    const { type, namespace } = call;
    const known = this.#pages.get(continueToken);
    if (continueToken !== "" && known === undefined) {
      throw new ApiError(410, "Expired", "The provided continue parameter is too old");
    }
    if (Number(request.resourceVersion) > this.#store.version) {
      const message = `Timeout: Too large resource version: ${request.resourceVersion}, current: ${this.#store.version}`;
      const causes = [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }];
      throw new ApiError(504, "Timeout", message, { causes, retryAfterSeconds: 1 });
    }
    const version = known?.version ?? stale?.version ?? this.#store.version;
    const source =
      stale === undefined ? this.#store.list(type.storage) : listSnapshot(stale, type.storage);
    const all =
      known?.rest ??
      source
        .filter((object) => namespace === "" || object.metadata.namespace === namespace)
        .map((object) => type.encode(object))
        .filter(request.selects);
    const objects = limit > 0 ? all.slice(0, limit) : all;
    const rest = all.slice(objects.length);
    return { objects, version, remaining: rest.length, continueToken: this.#keep(rest, version) };
  }

  #keep(rest: KubeObject[], version: number): string {
    if (rest.length === 0) return "";
    this.#tokens += 1;
    const token = Buffer.from(`page-${this.#tokens}`).toString("base64url");
    this.#pages.set(token, { rest, version });
    const oldest = this.#pages.keys().next().value;
    if (this.#pages.size > pagesMax && oldest !== undefined) this.#pages.delete(oldest);
    return token;
  }
}

/** One object in the form that the client asked for. */
export function shownObject(call: Call, object: KubeObject, form: Form, nowMs: number): JsonObject {
  if (form.kind === "object") return object;
  if (form.kind === "metadata") return partialMetadata(object);
  const metadata = { resourceVersion: object.metadata.resourceVersion };
  return tableOf(call.type, [object], form.include, metadata, nowMs);
}

/** A list in the form that the client asked for. */
export function shownList(call: Call, page: Page, form: Form, nowMs: number): JsonObject {
  const { type } = call;
  const metadata: JsonObject = {
    resourceVersion: String(page.version),
    ...(page.continueToken === ""
      ? {}
      : { continue: page.continueToken, remainingItemCount: page.remaining }),
  };
  if (form.kind === "table") return tableOf(type, page.objects, form.include, metadata, nowMs);
  if (form.kind === "metadata") {
    const items = page.objects.map(partialMetadata);
    return { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata, items };
  }
  const items = page.objects.map((object) =>
    type.schema === undefined ? untyped(object) : object,
  );
  return { kind: `${type.kind}List`, apiVersion: apiVersionOf(type), metadata, items };
}

/** Items of built-in lists carry no `apiVersion` and `kind`, which surprises clients in production too. */
function untyped(object: KubeObject): Json {
  const item: JsonObject = { ...object };
  delete item["apiVersion"];
  delete item["kind"];
  return item;
}
