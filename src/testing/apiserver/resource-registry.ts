import { builtinResources } from "./builtin-resources.ts";
import { typesOfCrd } from "./crd.ts";
import type { KubeObject } from "./kube-object.ts";
import type { ResourceType } from "./resource-type.ts";

/** Which resources are served: the built-in ones, and those of the CRDs that are there. */
export class ResourceRegistry {
  readonly #custom = new Map<string, ResourceType[]>();

  /** Everything that is served. */
  all(): ResourceType[] {
    return [...builtinResources, ...[...this.#custom.values()].flat()];
  }

  /** The type served at a path. */
  find(group: string, version: string, plural: string): ResourceType | undefined {
    return this.all().find(
      (type) => type.group === group && type.version === version && type.plural === plural,
    );
  }

  /** The type of an object, by its `apiVersion` and `kind`. */
  ofKind(group: string, version: string, kind: string): ResourceType | undefined {
    return this.all().find(
      (type) => type.group === group && type.version === version && type.kind === kind,
    );
  }

  /** A type of objects stored under this name. */
  ofStorage(storage: string): ResourceType | undefined {
    return this.all().find((type) => type.storage === storage);
  }

  /** Serves a CRD's versions from now on, in place of what it served before. */
  serve(crd: KubeObject): void {
    this.#custom.set(crd.metadata.name ?? "", typesOfCrd(crd));
  }

  /** Serves a CRD no longer. */
  withdraw(crd: KubeObject): void {
    this.#custom.delete(crd.metadata.name ?? "");
  }
}
