import { methodNotAllowed, noSuchPath } from "./api-error.ts";
import type { ResourceRegistry } from "./resource-registry.ts";
import type { ResourceType } from "./resource-type.ts";

/** What a path and a method mean. */
export type Route =
  | { kind: "document"; path: string }
  | {
      kind: "resource";
      verb: string;
      type: ResourceType;
      namespace: string;
      name: string;
      subresource: string;
    };

const collectionVerbs: Record<string, string> = {
  GET: "list",
  POST: "create",
  DELETE: "deletecollection",
};
const objectVerbs: Record<string, string> = {
  GET: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
  POST: "create",
};

/**
 * Reads a request's method and path.
 * @throws {ApiError} 404 when nothing is served there, 405 when not by this method.
 */
export function routeOf(method: string, url: URL, registry: ResourceRegistry): Route {
  const segments = url.pathname
    .split("/")
    .filter((segment) => segment !== "")
    .map(decodeURIComponent);
  const isCore = segments[0] === "api";
  const isResource =
    (isCore && segments.length > 2) || (segments[0] === "apis" && segments.length > 3);
  if (!isResource) {
    if (method !== "GET" && method !== "HEAD") throw methodNotAllowed();
    return { kind: "document", path: `/${segments.join("/")}` };
  }
  const [group = "", version = ""] = isCore ? ["", segments[1]] : [segments[1], segments[2]];
  const rest = segments.slice(isCore ? 2 : 3);
  const isWithin =
    rest[0] === "namespaces" &&
    rest.length > 2 &&
    !(isCore && ["status", "finalize"].includes(rest[2] ?? ""));
  const namespace = isWithin ? (rest[1] ?? "") : "";
  const [plural = "", name = "", subresource = "", ...tooMuch] = isWithin ? rest.slice(2) : rest;
  const type = registry.find(group, version, plural);
  if (type === undefined || tooMuch.length > 0 || (isWithin && !type.namespaced))
    throw noSuchPath();
  checkSubresource(type, subresource);
  const isEverywhere = type.namespaced && namespace === "";
  if (isEverywhere && (name !== "" || method === "POST")) throw methodNotAllowed();
  const verb = verbOf(method, name, subresource, url);
  if (!type.verbs.includes(verb) && subresource === "") throw methodNotAllowed();
  return { kind: "resource", verb, type, namespace, name, subresource };
}

function checkSubresource(type: ResourceType, subresource: string): void {
  if (subresource === "") return;
  const isStatus = subresource === "status" && type.statusSubresource;
  if (!isStatus && !type.otherSubresources.includes(subresource)) throw noSuchPath();
}

function verbOf(method: string, name: string, subresource: string, url: URL): string {
  const isWatch = ["true", "1"].includes(url.searchParams.get("watch") ?? "");
  if (method === "GET" && isWatch && subresource === "") return "watch";
  const verb = name === "" ? collectionVerbs[method] : objectVerbs[method];
  const isAction = subresource !== "" && subresource !== "status";
  if (verb === undefined) throw methodNotAllowed();
  if (name !== "" && (verb === "create") !== isAction) throw methodNotAllowed();
  if (subresource === "status" && verb === "delete") throw methodNotAllowed();
  return verb;
}
