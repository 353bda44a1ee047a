import { parseAllDocuments } from "yaml";
import { ApiError } from "../apiserver/api-error.ts";
import type { DirectAccess } from "../apiserver/direct-access.ts";
import { at, listOf, textOf } from "../apiserver/json.ts";
import type { JsonObject } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/kube-object.ts";
import type { ResourceRegistry } from "../apiserver/resource-registry.ts";
import { apiVersionOf, splitApiVersion } from "../apiserver/resource-type.ts";
import type { ResourceType } from "../apiserver/resource-type.ts";
import type { BlockingAnswer, BlockingClient } from "./blocking-client.ts";

const FIRST_KINDS = ["CustomResourceDefinition", "Namespace"];
/** kube-apiserver looks at roles and policies through caches: until a new one counts for sure. */
const HEARD_MS = { rbac: 300, policy: 2_000 };

/** Policies stay from test to test, also for those that load none: this account they let write. */
const OPERATOR = "system:serviceaccount:sbd-system:sbd-operator";

/** What `objects` of an API server offers. */
export type ObjectAccess = Pick<DirectAccess, keyof DirectAccess>;

/** The same reads and writes for tests as the embedded server's, on a real one. */
export class RealObjects implements ObjectAccess {
  readonly #client: BlockingClient;
  readonly #registry: ResourceRegistry;

  constructor(client: BlockingClient, registry: ResourceRegistry) {
    this.#client = client;
    this.#registry = registry;
  }

  get(resource: string, name: string, namespace = ""): KubeObject | undefined {
    const answer = this.#client.request("GET", pathOf(this.#typeOf(resource), namespace, name));
    return answer.code === 404 ? undefined : objectIn(answer);
  }

  list(resource: string, namespace = ""): KubeObject[] {
    const type = this.#typeOf(resource);
    const { kind } = type;
    const list = objectIn(this.#client.request("GET", pathOf(type, namespace)));
    // A list leaves out what is the same for all.
    return listOf(list["items"]).map(
      (item) => ({ apiVersion: apiVersionOf(type), kind, ...(item as JsonObject) }) as KubeObject,
    );
  }

  load(source: string | readonly unknown[]): KubeObject[] {
    const documents =
      typeof source === "string"
        ? parseAllDocuments(source).map((document) => document.toJS() as unknown)
        : structuredClone(source);
    const objects = documents.flatMap(itemsOf);
    objects.sort((a, b) => placeOf(a) - placeOf(b));
    let heardMs = 0;
    const loaded = objects.map((object) => {
      const { before, after } = this.#loadOne(object);
      if (before?.metadata.generation !== after.metadata.generation || before === undefined) {
        if (object.apiVersion.startsWith("rbac.")) heardMs = Math.max(heardMs, HEARD_MS.rbac);
        if (object.kind.startsWith("ValidatingAdmission")) heardMs = HEARD_MS.policy;
      }
      return after;
    });
    if (heardMs > 0) sleep(heardMs);
    return loaded;
  }

  change(
    resource: string,
    name: string,
    change: (object: KubeObject) => KubeObject,
    namespace = "",
  ): KubeObject {
    const type = this.#typeOf(resource);
    const path = pathOf(type, namespace, name);
    return this.#replace(type, path, change(objectIn(this.#client.request("GET", path))));
  }

  delete(resource: string, name: string, namespace = "", options: JsonObject = {}): void {
    const path = pathOf(this.#typeOf(resource), namespace, name);
    objectIn(this.#client.request("DELETE", path, options));
  }

  #loadOne(object: KubeObject): { before: KubeObject | undefined; after: KubeObject } {
    const { group, version } = splitApiVersion(object.apiVersion);
    const type = this.#registry.ofKind(group, version, object.kind);
    if (type === undefined) {
      throw new Error(
        `Cannot load a '${object.kind}' of '${object.apiVersion}': that is not served`,
      );
    }
    const { name = "", namespace = "" } = object.metadata;
    const place = type.namespaced ? namespace || "default" : "";
    const before = name === "" ? undefined : this.get(type.storage, name, place);
    const path = pathOf(type, place);
    const stored = before ?? objectIn(this.#client.request("POST", path, object));
    const own = pathOf(type, place, stored.metadata.name ?? "");
    const metadata = { ...object.metadata, name: stored.metadata.name ?? "" };
    delete metadata.resourceVersion;
    delete metadata.uid;
    const isDone = before === undefined && object["status"] === undefined;
    const after = isDone ? stored : this.#replace(type, own, { ...object, metadata });
    if (object.kind === "CustomResourceDefinition") this.#serve(after);
    return { before, after };
  }

  /** Main resource and status; a write that loses a race is done again. */
  #replace(type: ResourceType, path: string, wanted: KubeObject): KubeObject {
    const write = (at: string): KubeObject => {
      for (let tries = 0; ; tries += 1) {
        const old = objectIn(this.#client.request("GET", path));
        const { resourceVersion = "", uid = "" } = old.metadata;
        const finalizers = wanted.metadata.finalizers ?? crdFinalizers(old);
        const kept = finalizers === undefined ? {} : { finalizers };
        const metadata = { ...wanted.metadata, resourceVersion, uid, ...kept };
        const answer = this.#client.request(
          "PUT",
          at,
          completed(old, { ...wanted, metadata }),
          "application/json",
          // Its spec is what no operator may change.
          type.plural === "sbdconfigs" ? undefined : OPERATOR,
        );
        if (answer.code !== 409 || tries > 20) return objectIn(answer);
      }
    };
    const replaced = write(path);
    if (!type.statusSubresource || wanted["status"] === undefined) return replaced;
    return this.#client.request("GET", path).code === 404 ? replaced : write(`${path}/status`);
  }

  #serve(crd: KubeObject): void {
    this.#registry.serve(crd);
    const [version] = listOf(at(crd, "spec", "versions"));
    const group = textOf(at(crd, "spec", "group"));
    const plural = textOf(at(crd, "spec", "names", "plural"));
    const path = `/apis/${group}/${textOf(at(version, "name"))}/${plural}`;
    for (let tries = 0; this.#client.request("GET", path).code !== 200; tries += 1) {
      if (tries > 200) throw new Error(`${path} is not served 20 s after its CRD was taken`);
      sleep(100);
    }
  }

  #typeOf(resource: string): ResourceType {
    const all = this.#registry.all();
    const type =
      all.find(({ plural, group, storage }) =>
        [storage, `${plural}.${group}`].includes(resource),
      ) ?? all.find(({ plural }) => plural === resource);
    if (type === undefined) throw new Error(`No resource '${resource}' is served`);
    return type;
  }
}

function placeOf({ kind }: KubeObject): number {
  const index = FIRST_KINDS.indexOf(kind);
  return index < 0 ? FIRST_KINDS.length : index;
}

/** Where a collection or an object is. */
export function pathOf(type: ResourceType, namespace: string, name = ""): string {
  const root = type.group === "" ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`;
  const within = type.namespaced && namespace !== "" ? `/namespaces/${namespace}` : "";
  return `${root}${within}/${type.plural}${name === "" ? "" : `/${name}`}`;
}

function itemsOf(document: unknown): KubeObject[] {
  if (document === null || document === undefined) return [];
  const object = document as KubeObject;
  return Array.isArray(object["items"]) ? (object["items"] as unknown as KubeObject[]) : [object];
}

/** A PUT replaces: what only the server knows, and tests leave out, stays as it was. */
function completed(old: KubeObject, wanted: KubeObject): KubeObject {
  if (old.kind !== "Service") return wanted;
  const [before, spec] = [old["spec"] as JsonObject, wanted["spec"] as JsonObject];
  return { ...wanted, spec: { ...before, ...spec } };
}

function crdFinalizers(old: KubeObject): string[] | undefined {
  return old.kind === "CustomResourceDefinition" ? old.metadata.finalizers : undefined;
}

/** @throws {ApiError} what the server says, where that is no object */
function objectIn({ code, body }: BlockingAnswer): KubeObject {
  if (code < 300) return body as KubeObject;
  throw new ApiError(code, textOf(body["reason"]), textOf(body["message"]), undefined);
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
