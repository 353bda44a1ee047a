import type { ServerResponse } from "node:http";
import { ApiError, badRequest, forbidden, noSuchPath } from "./api-error.ts";
import type { Call } from "./call.ts";
import { apiGroup, apiGroupList, coreVersions, resourceList, serverVersion } from "./discovery.ts";
import type { FaultSubject } from "./faults.ts";
import { isObject, objectOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { shownList, shownObject } from "./object-reader.ts";
import type { ListRequest } from "./object-reader.ts";
import { openApiV2, openApiV3, openApiV3Index } from "./openapi.ts";
import { patchObject } from "./patch-object.ts";
import { refusal } from "./rbac.ts";
import { requestToken, review } from "./reviews.ts";
import type { Route } from "./route.ts";
import { fieldSelector, labelSelector } from "./selectors.ts";
import type { Selector } from "./selectors.ts";
import type { ServerParts } from "./server-parts.ts";
import type { Snapshot } from "./store.ts";
import { formOf } from "./table.ts";
import { superuserGroup } from "./user.ts";
import type { User } from "./user.ts";
import { WatchStream } from "./watch-stream.ts";

/** A request as it was read. */
export interface ApiRequest {
  url: URL;
  route: Route;
  user: User;
  userAgent: string;
  accept: string;
  mediaType: string;
  body: Json | undefined;
  subject: FaultSubject;
}

/** An answer; a watch has answered by itself. */
export type Answer =
  | { kind: "json"; code: number; body: JsonObject; warnings: string[] }
  | { kind: "text"; code: number; text: string }
  | { kind: "watch"; stream: WatchStream };

function json(code: number, body: JsonObject, warnings: string[] = []): Answer {
  return { kind: "json", code, body, warnings };
}

const openPaths = new Set(["/healthz", "/livez", "/readyz", "/version"]);

/** Answers requests: authorization, then the store. Knows nothing of faults but stale reads. */
export class RequestHandler {
  readonly #parts: ServerParts;

  constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  /** @throws {ApiError} */
  handle(request: ApiRequest, response: ServerResponse): Answer {
    const { route } = request;
    if (route.kind === "document") return this.#document(request, route.path);
    const call = callOf(request, route);
    this.#authorize(call);
    switch (route.verb) {
      case "get":
        return this.#get(request, call);
      case "list":
        return this.#list(request, call);
      case "watch":
        return this.#watch(request, call, response);
      case "create":
        return this.#create(request, call);
      case "update":
        return this.#update(request, call);
      case "patch":
        return this.#patch(request, call);
      case "delete":
        return this.#delete(request, call);
      default:
        return this.#deleteCollection(request, call);
    }
  }

  #document(request: ApiRequest, path: string): Answer {
    if (openPaths.has(path)) {
      return path === "/version"
        ? json(200, serverVersion)
        : { kind: "text", code: 200, text: "ok" };
    }
    // The bootstrap role system:discovery opens the rest to everybody with a token.
    if (!request.user.groups.includes("system:authenticated")) {
      const why = `User "${request.user.name}" cannot get path "${path}"`;
      throw new ApiError(403, "Forbidden", `forbidden: ${why}`, {});
    }
    if (path === "/openapi/v2" && request.accept.includes("proto-openapi")) {
      // An empty message is a document without definitions: kubectl then asks for the third version.
      return { kind: "text", code: 200, text: "" };
    }
    const body = this.#discovery(path);
    if (body === undefined) throw noSuchPath();
    return json(200, body);
  }

  #discovery(path: string): JsonObject | undefined {
    const { registry } = this.#parts;
    const [root, ...rest] = path.slice(1).split("/");
    if (root === "openapi") {
      const [form, ...below] = rest;
      if (form === "v2") return openApiV2(registry);
      if (form !== "v3") return undefined;
      if (below.length === 0) return openApiV3Index(registry);
      if (below[0] === "api") return openApiV3(registry, "", below[1] ?? "");
      return openApiV3(registry, below[1] ?? "", below[2] ?? "");
    }
    const [first, second] = rest;
    if (root === "api")
      return first === undefined ? coreVersions : resourceList(registry, "", first);
    if (root !== "apis") return undefined;
    if (first === undefined) return apiGroupList(registry);
    return second === undefined ? apiGroup(registry, first) : resourceList(registry, first, second);
  }

  #authorize(call: Call): void {
    const { type, subresource } = call;
    const resource = subresource === "" ? type.plural : `${type.plural}/${subresource}`;
    const isNamespace = type.group === "" && type.plural === "namespaces";
    const namespace = isNamespace ? call.name : call.namespace;
    const access = { verb: call.verb, group: type.group, resource, namespace, name: call.name };
    const isSelfReview = type.kind.startsWith("SelfSubject");
    const isKnown = call.user.groups.includes("system:authenticated");
    if ((isSelfReview && isKnown) || this.#parts.rbac.allows(call.user, access)) return;
    const subject = { group: type.group, kind: type.plural, name: call.name };
    throw forbidden(subject, refusal(call.user, access));
  }

  #stale(request: ApiRequest): Snapshot | undefined {
    if (request.url.searchParams.get("resourceVersion") !== "0") return undefined;
    return this.#parts.faults.take(request.subject, "stale")?.frozen;
  }

  #get(request: ApiRequest, call: Call): Answer {
    const object = this.#parts.reader.get(call, this.#stale(request));
    const form = formOf(request.accept, request.url.searchParams.get("includeObject"));
    return json(200, shownObject(call, object, form, this.#parts.nowMs()));
  }

  #list(request: ApiRequest, call: Call): Answer {
    const query = request.url.searchParams;
    const list: ListRequest = {
      call,
      selects: selectorOf(request, call),
      resourceVersion: query.get("resourceVersion") ?? "",
      limit: Number(query.get("limit") ?? 0),
      continueToken: query.get("continue") ?? "",
    };
    const page = this.#parts.reader.list(list, this.#stale(request));
    const form = formOf(request.accept, query.get("includeObject"));
    return json(200, shownList(call, page, form, this.#parts.nowMs()));
  }

  #watch(request: ApiRequest, call: Call, response: ServerResponse): Answer {
    const query = request.url.searchParams;
    const timeout = query.get("timeoutSeconds");
    const version = query.get("resourceVersion") ?? "";
    if (!/^\d*$/.test(version)) {
      throw badRequest(`invalid resource version "${version}": it must be a number`);
    }
    const stream = new WatchStream(
      {
        call,
        selects: selectorOf(request, call),
        form: formOf(request.accept, query.get("includeObject")),
        resourceVersion: version,
        timeoutSeconds: timeout === null ? undefined : Number(timeout),
        wantsBookmarks: query.get("allowWatchBookmarks") === "true",
        sendInitialEvents: query.get("sendInitialEvents") === "true",
      },
      this.#parts,
      response,
      request.subject,
    );
    return { kind: "watch", stream };
  }

  #create(request: ApiRequest, call: Call): Answer {
    const { store, tokens, rbac, writer } = this.#parts;
    const { type } = call;
    if (call.subresource === "token") {
      return json(201, requestToken(call.namespace, call.name, request.body, store, tokens));
    }
    if (call.subresource === "eviction") return this.#evict(request, call);
    const body = completed(bodyOf(request), call);
    if (type.kind.endsWith("Review")) return json(201, review(body, call.user, rbac, tokens));
    return json(201, writer.create(call, body, "create", body), call.warnings);
  }

  #evict(request: ApiRequest, call: Call): Answer {
    const options = objectOf(objectOf(request.body)["deleteOptions"]);
    this.#parts.deleter.delete({ ...call, subresource: "" }, options);
    return json(201, {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      code: 201,
    });
  }

  #update(request: ApiRequest, call: Call): Answer {
    const body = completed(bodyOf(request), call);
    const object = this.#parts.writer.update(call, () => body, "update", body);
    return json(200, object, call.warnings);
  }

  #patch(request: ApiRequest, call: Call): Answer {
    if (request.body === undefined) throw badRequest("a patch needs a body");
    const force = request.url.searchParams.get("force") === "true";
    const patch = { call, contentType: request.mediaType, body: request.body, force };
    const { object, isNew } = patchObject(patch, this.#parts.writer, this.#parts.nowMs());
    return json(isNew ? 201 : 200, object, call.warnings);
  }

  #delete(request: ApiRequest, call: Call): Answer {
    const { object, isGone } = this.#parts.deleter.delete(call, deleteOptionsOf(request));
    const { type } = call;
    if (!isGone || type.kind === "Pod") return json(200, object, call.warnings);
    const details = {
      name: call.name,
      ...(type.group === "" ? {} : { group: type.group }),
      kind: type.plural,
      uid: object.metadata.uid,
    };
    return json(
      200,
      { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details },
      call.warnings,
    );
  }

  #deleteCollection(request: ApiRequest, call: Call): Answer {
    const selects = selectorOf(request, call);
    const options = deleteOptionsOf(request);
    const list = { call, selects, resourceVersion: "", limit: 0, continueToken: "" };
    const page = this.#parts.reader.list(list, undefined);
    for (const { metadata } of page.objects) {
      const one = { ...call, name: textOf(metadata.name), namespace: textOf(metadata.namespace) };
      this.#parts.deleter.delete(one, options);
    }
    return json(200, shownList(call, page, { kind: "object" }, this.#parts.nowMs()), call.warnings);
  }
}

function callOf(request: ApiRequest, route: Extract<Route, { kind: "resource" }>): Call {
  const query = request.url.searchParams;
  const given = query.get("fieldManager") ?? "";
  const isApply = request.mediaType === "application/apply-patch+yaml";
  const agent = request.userAgent.split("/")[0] || "unknown";
  const validation = query.get("fieldValidation");
  return {
    user: request.user,
    userAgent: request.userAgent,
    verb: route.verb,
    type: route.type,
    namespace: route.namespace,
    name: route.name,
    subresource: route.subresource,
    fieldManager: given !== "" || isApply ? given : agent,
    fieldValidation: validation === "Strict" || validation === "Ignore" ? validation : "Warn",
    dryRun: query.getAll("dryRun").includes("All"),
    warnings: [],
  };
}

function selectorOf(request: ApiRequest, call: Call): Selector {
  const query = request.url.searchParams;
  const byLabel = labelSelector(query.get("labelSelector") ?? "");
  const byField = fieldSelector(query.get("fieldSelector") ?? "", call.type.selectableFields);
  return (object) => byLabel(object) && byField(object);
}

function bodyOf(request: ApiRequest): JsonObject {
  if (!isObject(request.body)) throw badRequest("the request needs an object as its body");
  return request.body;
}

/** Typed clients may leave out what the path says already. */
function completed(body: JsonObject, call: Call): KubeObject {
  const { group, version, kind } = call.type;
  const apiVersion = group === "" ? version : `${group}/${version}`;
  const metadata = body["metadata"] ?? {};
  const isTyped = call.type.schema === undefined;
  const defaults = isTyped ? { apiVersion, kind } : {};
  return { ...defaults, ...body, metadata } as KubeObject;
}

function deleteOptionsOf(request: ApiRequest): JsonObject {
  const query = request.url.searchParams;
  const options: JsonObject = isObject(request.body) ? { ...request.body } : {};
  const grace = query.get("gracePeriodSeconds");
  const policy = query.get("propagationPolicy");
  const orphan = query.get("orphanDependents");
  if (grace !== null) options["gracePeriodSeconds"] = Number(grace);
  if (policy !== null) options["propagationPolicy"] = policy;
  if (orphan !== null) options["orphanDependents"] = orphan === "true";
  return options;
}

/** True when a user may act as others, which only administrators may here. */
export function mayImpersonate(user: User): boolean {
  return user.groups.includes(superuserGroup);
}
