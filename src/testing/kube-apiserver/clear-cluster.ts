import { at, listOf, textOf } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/kube-object.ts";
import type { ResourceRegistry } from "../apiserver/resource-registry.ts";
import type { ResourceType } from "../apiserver/resource-type.ts";
import type { BlockingClient } from "./blocking-client.ts";
import { pathOf } from "./real-objects.ts";

const NAMESPACES = new Set([
  "default",
  "kube-system",
  "kube-public",
  "kube-node-lease",
  "sbd-system",
]);
/** Made by the server itself, or without deletion. */
const KEPT = new Set([
  "apiservices.apiregistration.k8s.io",
  "componentstatuses",
  "flowschemas.flowcontrol.apiserver.k8s.io",
  "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
  "priorityclasses.scheduling.k8s.io",
  "serviceaccounts",
  "services",
  "endpoints",
]);
const TRIES = 100;

/**
 * Removes what earlier tests have left. What `deploy/` brings stays: definitions, roles and policies take
 * seconds until a server has heard of them all, and loading them again changes nothing.
 */
export function clearCluster(client: BlockingClient, registry: ResourceRegistry): void {
  const crds = listAll(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
  for (const crd of crds) registry.serve(crd);
  const types = new Map<string, ResourceType>();
  for (const type of registry.all()) types.set(type.storage, type);
  for (const type of types.values()) {
    if (type.verbs.includes("delete") && type.verbs.includes("list") && !KEPT.has(type.storage)) {
      for (const object of listAll(client, pathOf(type, ""))) removeOne(client, type, object);
    }
  }
  for (const crd of crds) if (!isKept(CRDS, crd)) registry.withdraw(crd);
}

const CRDS = { storage: "customresourcedefinitions.apiextensions.k8s.io" };

function isKept({ storage }: Pick<ResourceType, "storage">, { metadata }: KubeObject): boolean {
  const { name = "", labels = {} } = metadata;
  if (labels["kubernetes.io/bootstrapping"] !== undefined) return true;
  if (storage === "namespaces") return NAMESPACES.has(name);
  if (/^(cluster)?role/.test(storage)) return /^(sbd|system:|ext-remediation)/.test(name);
  if (storage === "configmaps") return /^(kube-|extension-|cluster-info)/.test(name);
  return name.endsWith("medik8s.io") || /^(kubernetes|apiserver-)/.test(name);
}

function removeOne(client: BlockingClient, type: ResourceType, object: KubeObject): void {
  if (isKept(type, object)) return;
  const path = pathOf(type, object.metadata.namespace ?? "", object.metadata.name ?? "");
  for (let tries = 0; tries < TRIES; tries += 1) {
    const { code, body } = client.request("DELETE", path, { gracePeriodSeconds: 0 });
    if (code === 404) return;
    if (listOf(at(body, "metadata", "finalizers")).length > 0) {
      const patch = { metadata: { finalizers: null } };
      const isCrd = type.storage.startsWith("customresourcedefinitions");
      if (!isCrd) client.request("PATCH", path, patch, "application/merge-patch+json");
    }
    if (tries > 0) sleep(50);
    // A namespace is emptied by kube-controller-manager, in its own time.
    if (type.storage === "namespaces") return;
  }
  throw new Error(`${path}, left by an earlier test, cannot be removed`);
}

function listAll(client: BlockingClient, path: string): KubeObject[] {
  const { code, body } = client.request("GET", path);
  if (code === 404) return [];
  if (code >= 300) throw new Error(`GET ${path}: ${code} ${textOf(body["message"])}`);
  return listOf(body["items"]) as KubeObject[];
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
