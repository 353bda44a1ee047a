import { API_GROUP, API_VERSION_NAME } from "../api/group.ts";

/** A kind of object, as the API server's paths name it. */
export type ResourceType = {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
};

/** Which object; `namespace` is looked at for namespaced kinds only. */
export type ObjectRef = { readonly name: string; readonly namespace?: string | undefined };

/** `apiVersion` of objects of that type. */
export function apiVersionOf({ group, version }: ResourceType): string {
  return group === "" ? version : `${group}/${version}`;
}

/** Path of a collection: of one namespace, or of the whole cluster where none is given. */
export function collectionPath(type: ResourceType, namespace?: string): string {
  const root = type.group === "" ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`;
  const within =
    type.namespaced && namespace !== undefined
      ? `/namespaces/${encodeURIComponent(namespace)}`
      : "";
  return `${root}${within}/${type.plural}`;
}

/** @throws TypeError for a namespaced kind without a namespace */
export function objectPath(type: ResourceType, ref: ObjectRef, subresource?: "status"): string {
  if (type.namespaced && (ref.namespace ?? "") === "") {
    throw new TypeError(`Cannot name ${type.plural} '${ref.name}' as its namespace is missing`);
  }
  const path = `${collectionPath(type, ref.namespace)}/${encodeURIComponent(ref.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** The resource type of a kind of ours. */
export function resourceTypeOf(resource: {
  readonly kind: string;
  readonly plural: string;
  readonly scope: "Cluster" | "Namespaced";
}): ResourceType {
  return {
    group: API_GROUP,
    version: API_VERSION_NAME,
    kind: resource.kind,
    plural: resource.plural,
    namespaced: resource.scope === "Namespaced",
  };
}

export const NODES: ResourceType = builtIn("", "v1", "Node", "nodes", "cluster");
export const PODS: ResourceType = builtIn("", "v1", "Pod", "pods", "namespaced");
export const NAMESPACES: ResourceType = builtIn("", "v1", "Namespace", "namespaces", "cluster");
export const EVENTS: ResourceType = builtIn("", "v1", "Event", "events", "namespaced");
export const SERVICES: ResourceType = builtIn("", "v1", "Service", "services", "namespaced");
export const PERSISTENT_VOLUME_CLAIMS: ResourceType = builtIn(
  "",
  "v1",
  "PersistentVolumeClaim",
  "persistentvolumeclaims",
  "namespaced",
);
export const PERSISTENT_VOLUMES: ResourceType = builtIn(
  "",
  "v1",
  "PersistentVolume",
  "persistentvolumes",
  "cluster",
);
export const DAEMON_SETS: ResourceType = builtIn(
  "apps",
  "v1",
  "DaemonSet",
  "daemonsets",
  "namespaced",
);
export const JOBS: ResourceType = builtIn("batch", "v1", "Job", "jobs", "namespaced");
export const DEPLOYMENTS: ResourceType = builtIn(
  "apps",
  "v1",
  "Deployment",
  "deployments",
  "namespaced",
);
export const VOLUME_ATTACHMENTS: ResourceType = builtIn(
  "storage.k8s.io",
  "v1",
  "VolumeAttachment",
  "volumeattachments",
  "cluster",
);
export const LEASES: ResourceType = builtIn(
  "coordination.k8s.io",
  "v1",
  "Lease",
  "leases",
  "namespaced",
);

function builtIn(
  group: string,
  version: string,
  kind: string,
  plural: string,
  scope: "cluster" | "namespaced",
): ResourceType {
  return { group, version, kind, plural, namespaced: scope === "namespaced" };
}
