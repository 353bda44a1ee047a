import { at, isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { labelSelectorObject } from "./selectors.ts";
import type { Store } from "./store.ts";
import { superuserGroup } from "./user.ts";
import type { User } from "./user.ts";

/** What is asked for. `resource` is the plural, with `/subresource` where there is one. */
export interface ResourceAccess {
  verb: string;
  group: string;
  resource: string;
  namespace: string;
  name: string;
}

const group = "rbac.authorization.k8s.io";

function includes(list: Json | undefined, value: string): boolean {
  return listOf(list).some((item) => item === "*" || item === value);
}

function matchesResource(rule: JsonObject, resource: string): boolean {
  const sub = resource.split("/")[1];
  return listOf(rule["resources"]).some((item) => {
    if (item === "*" || item === resource) return true;
    return sub !== undefined && item === `*/${sub}`;
  });
}

function allowsAccess(rule: Json, access: ResourceAccess): boolean {
  if (!isObject(rule)) return false;
  const names = listOf(rule["resourceNames"]);
  return (
    includes(rule["verbs"], access.verb) &&
    includes(rule["apiGroups"], access.group) &&
    matchesResource(rule, access.resource) &&
    (names.length === 0 || names.includes(access.name))
  );
}

function allowsPath(rule: Json, verb: string, path: string): boolean {
  if (!isObject(rule) || !includes(rule["verbs"], verb)) return false;
  return listOf(rule["nonResourceURLs"]).some((item) => {
    const pattern = textOf(item);
    if (pattern.endsWith("*")) return path.startsWith(pattern.slice(0, -1));
    return pattern === path;
  });
}

function isSubject(subject: Json, user: User, bindingNamespace: string): boolean {
  const name = textOf(at(subject, "name"));
  switch (at(subject, "kind")) {
    case "User":
      return name === user.name;
    case "Group":
      return user.groups.includes(name);
    case "ServiceAccount": {
      const namespace = textOf(at(subject, "namespace")) || bindingNamespace;
      return user.name === `system:serviceaccount:${namespace}:${name}`;
    }
    default:
      return false;
  }
}

/**
 * Role-based access control from the stored roles and bindings, aggregated cluster roles included.
 * `system:masters` may do everything.
 *
 * Not modelled: the escalation check (who may create a role or binding may grant anything), the node
 * authorizer, and the bootstrap roles beyond cluster-admin.
 */
export class Rbac {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** True when some binding of the user grants the access. */
  allows(user: User, access: ResourceAccess): boolean {
    if (user.groups.includes(superuserGroup)) return true;
    return this.#rulesOf(user, access.namespace).some((rule) => allowsAccess(rule, access));
  }

  /** The same for a path that is no resource, such as `/metrics`. */
  allowsPath(user: User, verb: string, path: string): boolean {
    if (user.groups.includes(superuserGroup)) return true;
    return this.#rulesOf(user, "").some((rule) => allowsPath(rule, verb, path));
  }

  #rulesOf(user: User, namespace: string): Json[] {
    const bindings = this.#store.list(`clusterrolebindings.${group}`);
    if (namespace !== "") {
      const local = this.#store.list(`rolebindings.${group}`);
      bindings.push(...local.filter((binding) => binding.metadata.namespace === namespace));
    }
    return bindings
      .filter((binding) =>
        listOf(binding["subjects"]).some((subject) =>
          isSubject(subject, user, binding.metadata.namespace ?? ""),
        ),
      )
      .flatMap((binding) => this.#rulesOfBinding(binding));
  }

  #rulesOfBinding(binding: KubeObject): Json[] {
    const name = textOf(at(binding, "roleRef", "name"));
    if (at(binding, "roleRef", "kind") === "Role") {
      const role = this.#store.get(`roles.${group}`, binding.metadata.namespace ?? "", name);
      return listOf(role?.["rules"]);
    }
    const role = this.#store.get(`clusterroles.${group}`, "", name);
    if (role === undefined) return [];
    const selectors = listOf(at(role, "aggregationRule", "clusterRoleSelectors")).map(
      labelSelectorObject,
    );
    if (selectors.length === 0) return listOf(role["rules"]);
    return this.#store
      .list(`clusterroles.${group}`)
      .filter((other) => selectors.some((selects) => selects(other.metadata.labels ?? {})))
      .flatMap((other) => listOf(other["rules"]));
  }
}

/** kube-apiserver's words for a refusal. */
export function refusal(user: User, access: ResourceAccess): string {
  const where =
    access.namespace === "" ? "at the cluster scope" : `in the namespace "${access.namespace}"`;
  return `User "${user.name}" cannot ${access.verb} resource "${access.resource}" in API group "${access.group}" ${where}`;
}
