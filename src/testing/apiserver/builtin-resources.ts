import { builtinColumns } from "./builtin-columns.ts";
import { decodeEvent, encodeEvent } from "./event-versions.ts";
import { builtinListShape } from "./list-shape.ts";
import type { ResourceType } from "./resource-type.ts";

const crud = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

interface Shape {
  group: string;
  version: string;
  kind: string;
  plural: string;
  namespaced: boolean;
  shortNames?: string[];
  categories?: string[];
  status?: "dropped on create" | "kept on create";
  otherSubresources?: string[];
  verbs?: string[];
  generation?: true;
  conditionalUpdate?: true;
  selectable?: string[];
}

const core = { group: "", version: "v1" };
const apps = { group: "apps", version: "v1" };
const rbac = { group: "rbac.authorization.k8s.io", version: "v1" };
const storage = { group: "storage.k8s.io", version: "v1" };
const admission = { group: "admissionregistration.k8s.io", version: "v1" };
const authorization = { group: "authorization.k8s.io", version: "v1" };
const authentication = { group: "authentication.k8s.io", version: "v1" };

function reviewShape(kind: string, groupVersion: { group: string; version: string }): Shape {
  const plural = `${kind.toLowerCase()}s`;
  return { ...groupVersion, kind, plural, namespaced: false, verbs: ["create"] };
}

const podFields = [
  "spec.nodeName",
  "spec.restartPolicy",
  "spec.schedulerName",
  "spec.serviceAccountName",
  "status.phase",
  "status.podIP",
  "status.nominatedNodeName",
];
const eventFields = [
  "involvedObject.kind",
  "involvedObject.namespace",
  "involvedObject.name",
  "involvedObject.uid",
  "involvedObject.apiVersion",
  "involvedObject.resourceVersion",
  "involvedObject.fieldPath",
  "reason",
  "reportingComponent",
  "source",
  "type",
];
/** The same fields as `events.k8s.io` names them; a selector looks at the shape it is served in. */
const newEventFields = [
  "regarding.kind",
  "regarding.namespace",
  "regarding.name",
  "regarding.uid",
  "regarding.apiVersion",
  "reason",
  "reportingController",
  "type",
];

const shapes: Shape[] = [
  {
    ...core,
    kind: "Namespace",
    plural: "namespaces",
    namespaced: false,
    shortNames: ["ns"],
    status: "dropped on create",
    selectable: ["status.phase"],
  },
  {
    ...core,
    kind: "Node",
    plural: "nodes",
    namespaced: false,
    shortNames: ["no"],
    status: "kept on create",
    selectable: ["spec.unschedulable"],
  },
  {
    ...core,
    kind: "Pod",
    plural: "pods",
    namespaced: true,
    shortNames: ["po"],
    categories: ["all"],
    status: "dropped on create",
    otherSubresources: ["eviction"],
    selectable: podFields,
  },
  {
    ...core,
    kind: "Event",
    plural: "events",
    namespaced: true,
    shortNames: ["ev"],
    selectable: eventFields,
  },
  { ...core, kind: "ConfigMap", plural: "configmaps", namespaced: true, shortNames: ["cm"] },
  { ...core, kind: "Secret", plural: "secrets", namespaced: true, selectable: ["type"] },
  {
    ...core,
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    namespaced: true,
    shortNames: ["sa"],
    otherSubresources: ["token"],
  },
  {
    ...core,
    kind: "ResourceQuota",
    plural: "resourcequotas",
    namespaced: true,
    shortNames: ["quota"],
    status: "dropped on create",
  },
  {
    group: "policy",
    version: "v1",
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    namespaced: true,
    shortNames: ["pdb"],
    status: "dropped on create",
    generation: true,
  },
  {
    ...core,
    kind: "Service",
    plural: "services",
    namespaced: true,
    shortNames: ["svc"],
    categories: ["all"],
    status: "dropped on create",
    selectable: ["spec.clusterIP", "spec.type"],
  },
  {
    ...core,
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    namespaced: true,
    shortNames: ["pvc"],
    status: "dropped on create",
  },
  {
    ...core,
    kind: "PersistentVolume",
    plural: "persistentvolumes",
    namespaced: false,
    shortNames: ["pv"],
    status: "dropped on create",
  },
  {
    group: "events.k8s.io",
    version: "v1",
    kind: "Event",
    plural: "events",
    namespaced: true,
    shortNames: ["ev"],
    selectable: newEventFields,
  },
  {
    group: "coordination.k8s.io",
    version: "v1",
    kind: "Lease",
    plural: "leases",
    namespaced: true,
    conditionalUpdate: true,
  },
  {
    ...apps,
    kind: "DaemonSet",
    plural: "daemonsets",
    namespaced: true,
    shortNames: ["ds"],
    categories: ["all"],
    status: "dropped on create",
    generation: true,
  },
  {
    ...apps,
    kind: "Deployment",
    plural: "deployments",
    namespaced: true,
    shortNames: ["deploy"],
    categories: ["all"],
    status: "dropped on create",
    generation: true,
  },
  {
    group: "batch",
    version: "v1",
    kind: "Job",
    plural: "jobs",
    namespaced: true,
    categories: ["all"],
    status: "dropped on create",
    generation: true,
  },
  {
    ...storage,
    kind: "VolumeAttachment",
    plural: "volumeattachments",
    namespaced: false,
    status: "dropped on create",
  },
  { ...storage, kind: "StorageClass", plural: "storageclasses", namespaced: false },
  { ...rbac, kind: "Role", plural: "roles", namespaced: true },
  { ...rbac, kind: "ClusterRole", plural: "clusterroles", namespaced: false },
  { ...rbac, kind: "RoleBinding", plural: "rolebindings", namespaced: true },
  { ...rbac, kind: "ClusterRoleBinding", plural: "clusterrolebindings", namespaced: false },
  {
    group: "apiextensions.k8s.io",
    version: "v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    namespaced: false,
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    status: "dropped on create",
    generation: true,
    conditionalUpdate: true,
  },
  {
    ...admission,
    kind: "ValidatingAdmissionPolicy",
    plural: "validatingadmissionpolicies",
    namespaced: false,
    categories: ["api-extensions"],
    status: "dropped on create",
    generation: true,
  },
  {
    ...admission,
    kind: "ValidatingAdmissionPolicyBinding",
    plural: "validatingadmissionpolicybindings",
    namespaced: false,
    categories: ["api-extensions"],
    generation: true,
  },
  {
    group: "scheduling.k8s.io",
    version: "v1",
    kind: "PriorityClass",
    plural: "priorityclasses",
    namespaced: false,
    shortNames: ["pc"],
    generation: true,
  },
  reviewShape("SelfSubjectAccessReview", authorization),
  reviewShape("SubjectAccessReview", authorization),
  reviewShape("TokenReview", authentication),
  reviewShape("SelfSubjectReview", authentication),
];

function identity<T>(value: T): T {
  return value;
}

function typeOf(shape: Shape): ResourceType {
  const isNewEvent = shape.group === "events.k8s.io";
  const ownFields = shape.namespaced ? ["metadata.namespace"] : [];
  return {
    group: shape.group,
    version: shape.version,
    kind: shape.kind,
    plural: shape.plural,
    singular: shape.kind.toLowerCase(),
    namespaced: shape.namespaced,
    shortNames: shape.shortNames ?? [],
    categories: shape.categories ?? [],
    statusSubresource: shape.status !== undefined,
    otherSubresources: shape.otherSubresources ?? [],
    verbs: shape.verbs ?? crud,
    storage: isNewEvent
      ? "events"
      : shape.group === ""
        ? shape.plural
        : `${shape.plural}.${shape.group}`,
    unconditionalUpdate: shape.conditionalUpdate !== true,
    generation: shape.generation === true,
    statusOnCreate: shape.status !== "dropped on create",
    strategicMerge: true,
    selectableFields: ["metadata.name", ...ownFields, ...(shape.selectable ?? [])],
    columns: builtinColumns(shape.kind),
    listShape: builtinListShape(shape.kind),
    schema: undefined,
    storageVersion: "v1",
    decode: isNewEvent ? decodeEvent : identity,
    encode: isNewEvent ? encodeEvent : identity,
  };
}

/** Every resource that is served from the start. */
export const builtinResources: readonly ResourceType[] = shapes.map(typeOf);
