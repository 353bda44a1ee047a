import { badRequest, notFound } from "./api-error.ts";
import { at, isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import { timestamp } from "./clock.ts";
import type { Rbac } from "./rbac.ts";
import type { Store } from "./store.ts";
import type { Tokens } from "./tokens.ts";
import type { User } from "./user.ts";

function userInfo(user: User): JsonObject {
  return {
    username: user.name,
    ...(user.uid === "" ? {} : { uid: user.uid }),
    groups: [...user.groups],
    extra: Object.fromEntries(Object.entries(user.extra).map(([key, item]) => [key, [...item]])),
  };
}

/** Answers SelfSubjectAccessReview, SubjectAccessReview, SelfSubjectReview and TokenReview. */
export function review(body: JsonObject, user: User, rbac: Rbac, tokens: Tokens): JsonObject {
  const spec: JsonObject = isObject(body["spec"]) ? body["spec"] : {};
  switch (body["kind"]) {
    case "SelfSubjectReview":
      return { ...body, status: { userInfo: userInfo(user) } };
    case "TokenReview": {
      const found = tokens.userOf(textOf(spec["token"]));
      const status =
        found === undefined
          ? { authenticated: false, error: "invalid bearer token" }
          : { authenticated: true, user: userInfo(found) };
      return { ...body, status };
    }
    case "SelfSubjectAccessReview":
      return { ...body, status: accessStatus(spec, user, rbac) };
    default: {
      const subject: User = {
        name: textOf(spec["user"]),
        uid: textOf(spec["uid"]),
        groups: listOf(spec["groups"]).map(textOf),
        extra: {},
      };
      return { ...body, status: accessStatus(spec, subject, rbac) };
    }
  }
}

function accessStatus(spec: JsonObject, user: User, rbac: Rbac): JsonObject {
  const path = spec["nonResourceAttributes"];
  if (isObject(path)) {
    return { allowed: rbac.allowsPath(user, textOf(path["verb"]), textOf(path["path"])) };
  }
  const wanted = spec["resourceAttributes"];
  const sub = textOf(at(wanted, "subresource"));
  const resource = textOf(at(wanted, "resource"));
  const allowed = rbac.allows(user, {
    verb: textOf(at(wanted, "verb")),
    group: textOf(at(wanted, "group")),
    resource: sub === "" ? resource : `${resource}/${sub}`,
    namespace: textOf(at(wanted, "namespace")),
    name: textOf(at(wanted, "name")),
  });
  return { allowed };
}

/**
 * Answers a TokenRequest on a service account, bound to a pod where the request says so.
 * @throws {ApiError} 404 without the account, 400 for a pod that is not there.
 */
export function requestToken(
  namespace: string,
  name: string,
  body: Json | undefined,
  store: Store,
  tokens: Tokens,
): JsonObject {
  if (store.get("serviceaccounts", namespace, name) === undefined) {
    throw notFound({ group: "", kind: "serviceaccounts", name });
  }
  const request: JsonObject = isObject(body) ? body : {};
  const bound = at(request, "spec", "boundObjectRef");
  const podName = at(bound, "kind") === "Pod" ? textOf(at(bound, "name")) : undefined;
  if (podName !== undefined && store.get("pods", namespace, podName) === undefined) {
    throw badRequest(`the token cannot be bound: no pod '${podName}' in namespace '${namespace}'`);
  }
  const asked = at(request, "spec", "expirationSeconds");
  const seconds = typeof asked === "number" ? asked : 3600;
  const binding = podName === undefined ? {} : { podName };
  const { token, expiresMs } = tokens.forServiceAccount(namespace, name, binding, seconds);
  return {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { name, namespace, creationTimestamp: null },
    spec: {
      audiences: ["https://kubernetes.default.svc"],
      ...(isObject(request["spec"]) ? request["spec"] : {}),
      expirationSeconds: seconds,
    },
    status: { token, expirationTimestamp: timestamp(expiresMs) },
  };
}
