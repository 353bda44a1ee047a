import type { KubeClient, Query, RequestLimits } from "./kube-client.ts";
import { KubeError } from "./kube-error.ts";
import { fieldAt, textAt, type KubeObject } from "./kube-object.ts";
import {
  apiVersionOf,
  collectionPath,
  objectPath,
  type ObjectRef,
  type ResourceType,
} from "./resource-type.ts";

/** A collection at one moment. */
export type ObjectList = {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
};

export type ListOptions = RequestLimits & {
  /** Of all namespaces where left out. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** What of each object is kept, where not all of it: its metadata must be. */
  readonly keep?: (object: KubeObject) => KubeObject;
  /** `PAGE_OBJECTS` where left out. */
  readonly pageObjects?: number;
};

/** Objects an answer: a list of thousands of pods, taken whole, is tens of megabytes of text. */
const PAGE_OBJECTS = 500;

/**
 * A consistent GET: no resource version is given, so the server asks its store, and what it shows is
 * not older than this call. Null where there is no such object.
 *
 * @throws {KubeError}
 */
export async function getObject(
  client: KubeClient,
  type: ResourceType,
  ref: ObjectRef,
  limits: RequestLimits = {},
): Promise<KubeObject | null> {
  try {
    const found = await client.request({ method: "GET", path: objectPath(type, ref), ...limits });
    return asObject(found, type);
  } catch (error) {
    if (error instanceof KubeError && error.code === "NOT_FOUND") return null;
    throw error;
  }
}

/**
 * A consistent LIST: no resource version is given, so it is not older than this call. It comes in pages,
 * all of them of the moment of the first; limits are of each.
 *
 * @throws {KubeError} also `GONE`, where the server has forgotten that moment meanwhile
 */
export async function listObjects(
  client: KubeClient,
  type: ResourceType,
  {
    namespace,
    labelSelector,
    fieldSelector,
    keep = whole,
    pageObjects = PAGE_OBJECTS,
    ...limits
  }: ListOptions = {},
): Promise<ObjectList> {
  const query = { ...selectors({ labelSelector, fieldSelector }), limit: String(pageObjects) };
  const path = collectionPath(type, namespace);
  const kept: KubeObject[] = [];
  let page: Query = query;
  for (;;) {
    const list = await client.request({ method: "GET", path, query: page, ...limits });
    const items = fieldAt(list, "items");
    const resourceVersion = textAt(list, "metadata", "resourceVersion");
    if (!Array.isArray(items) || resourceVersion === "") {
      throw new KubeError("BAD_ANSWER", `GET ${path}: the answer is no list of ${type.plural}`);
    }
    for (const item of items as readonly object[]) {
      // In a list the items of built-in kinds do not say what they are.
      kept.push(keep(asObject({ apiVersion: apiVersionOf(type), kind: type.kind, ...item }, type)));
    }
    const next = textAt(list, "metadata", "continue");
    if (next === "") {
      return { items: kept, resourceVersion };
    }
    page = { ...query, continue: next };
  }
}

function whole(object: KubeObject): KubeObject {
  return object;
}

/** The query parameters of the selectors that are set. */
export function selectors(
  given: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** @throws {KubeError} `BAD_ANSWER` */
export function asObject(value: unknown, type: ResourceType): KubeObject {
  if (textAt(value, "metadata", "name") === "") {
    throw new KubeError("BAD_ANSWER", `The API server's answer is no ${type.kind}`);
  }
  return value as KubeObject;
}
