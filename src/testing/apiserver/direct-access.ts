import { parseAllDocuments } from "yaml";
import type { Call } from "./call.ts";
import { copyOf, isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { splitApiVersion } from "./resource-type.ts";
import type { ResourceType } from "./resource-type.ts";
import type { ServerParts } from "./server-parts.ts";
import { administrator } from "./user.ts";

const firstKinds = ["CustomResourceDefinition", "Namespace"];

function placeOf({ kind }: KubeObject): number {
  const place = firstKinds.indexOf(kind);
  return place < 0 ? firstKinds.length : place;
}

/** Reads and writes for tests that go round HTTP, but not round checks, admission or the log. */
export class DirectAccess {
  readonly #parts: ServerParts;

  constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  /** An object, or undefined. @param resource `nodes`, or `sbdnodes.medik8s.io`. */
  get(resource: string, name: string, namespace = ""): KubeObject | undefined {
    const type = this.#typeOf(resource);
    const object = this.#parts.store.get(type.storage, namespace, name);
    return object === undefined ? undefined : copyOf(type.encode(object));
  }

  /** All objects of a resource, in the order of namespace and name. */
  list(resource: string, namespace = ""): KubeObject[] {
    const type = this.#typeOf(resource);
    return this.#parts.store
      .list(type.storage)
      .filter((object) => namespace === "" || object.metadata.namespace === namespace)
      .map((object) => copyOf(type.encode(object)));
  }

  /**
   * Creates objects or replaces them, CRDs and namespaces first, and their status too.
   * @param source YAML of any number of documents, or objects; lists are taken apart.
   * @returns the objects as stored, in the order of storing.
   * @throws {ApiError} as kube-apiserver would.
   */
  load(source: string | readonly unknown[]): KubeObject[] {
    const documents =
      typeof source === "string"
        ? parseAllDocuments(source).map((document) => document.toJS() as unknown)
        : source;
    const objects = documents.flatMap(itemsOf);
    return objects.sort((a, b) => placeOf(a) - placeOf(b)).map((object) => this.#loadOne(object));
  }

  /**
   * Changes an object: metadata, spec and status as the callback returns them.
   * @throws {ApiError} 404 when it is not there.
   */
  change(
    resource: string,
    name: string,
    change: (object: KubeObject) => KubeObject,
    namespace = "",
  ): KubeObject {
    const call = this.#call(this.#typeOf(resource), name, namespace, "update");
    return this.#replace(call, change(copyOf(this.#parts.reader.get(call, undefined))));
  }

  /** Deletes an object. @throws {ApiError} 404 when it is not there. */
  delete(resource: string, name: string, namespace = "", options: JsonObject = {}): void {
    const call = this.#call(this.#typeOf(resource), name, namespace, "delete");
    this.#parts.deleter.delete(call, options);
  }

  #loadOne(object: KubeObject): KubeObject {
    const { group, version } = splitApiVersion(object.apiVersion);
    const type = this.#parts.registry.ofKind(group, version, object.kind);
    if (type === undefined) {
      throw new Error(
        `Cannot load a '${object.kind}' of '${object.apiVersion}': that is not served. Load its CustomResourceDefinition before it`,
      );
    }
    const { name = "", namespace = "" } = object.metadata;
    const place = type.namespaced ? namespace || "default" : "";
    const call = this.#call(type, name, place, "create");
    const isNew = name === "" || this.#parts.store.get(type.storage, place, name) === undefined;
    const live = isNew
      ? this.#parts.writer.create({ ...call, name: "" }, object, "create", object)
      : this.#parts.reader.get(call, undefined);
    if (isNew && object["status"] === undefined) return copyOf(live);
    const named = { ...call, name: live.metadata.name ?? "" };
    const metadata = { ...object.metadata };
    delete metadata.resourceVersion;
    delete metadata.uid;
    return this.#replace(named, { ...object, metadata: { ...metadata, name: named.name } });
  }

  #replace(call: Call, wanted: KubeObject): KubeObject {
    const { writer } = this.#parts;
    const write = (subresource: string): KubeObject =>
      writer.update(
        { ...call, subresource },
        (old) => {
          const resourceVersion = old.metadata.resourceVersion ?? "";
          const { finalizers } = old.metadata;
          const metadata = { ...wanted.metadata, resourceVersion };
          const isKept =
            wanted.metadata.finalizers === undefined && old.kind === "CustomResourceDefinition";
          if (isKept && finalizers !== undefined) metadata.finalizers = finalizers;
          return { ...wanted, metadata };
        },
        "update",
        wanted,
      );
    const replaced = write("");
    if (!call.type.statusSubresource || wanted["status"] === undefined) return copyOf(replaced);
    // Removing the last finalizer may have removed the object.
    return copyOf(writer.exists(call) ? write("status") : replaced);
  }

  #typeOf(resource: string): ResourceType {
    const type = this.#parts.registry
      .all()
      .find(
        ({ plural, group, storage }) => resource === storage || resource === `${plural}.${group}`,
      );
    if (type !== undefined) return type;
    const byPlural = this.#parts.registry.all().find(({ plural }) => plural === resource);
    if (byPlural !== undefined) return byPlural;
    throw new Error(`No resource '${resource}' is served: load its CustomResourceDefinition first`);
  }

  #call(type: ResourceType, name: string, namespace: string, verb: string): Call {
    return {
      user: administrator,
      userAgent: "direct",
      verb,
      type,
      namespace,
      name,
      subresource: "",
      fieldManager: "direct",
      fieldValidation: "Strict",
      dryRun: false,
      warnings: [],
    };
  }
}

function itemsOf(document: unknown): KubeObject[] {
  if (!isObject(document)) return [];
  const items: Json | undefined = document["items"];
  if (textOf(document["kind"]).endsWith("List") && Array.isArray(items)) {
    return listOf(items).flatMap(itemsOf);
  }
  return [copyOf(document) as KubeObject];
}
