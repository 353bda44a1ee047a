import { humanDuration } from "./clock.ts";
import { at, isObject, listOf, textOf } from "./json.ts";
import type { Json } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import type { Column } from "./resource-type.ts";

/** The age of a timestamp, as `kubectl get` shows it. */
export function ageOf(time: Json | undefined, nowMs: number): string {
  const ms = Date.parse(textOf(time));
  return Number.isNaN(ms) ? "<unknown>" : humanDuration(nowMs - ms);
}

const name: Column = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name must be unique within a namespace.",
  cell: (object) => object.metadata.name ?? "",
};

const age: Column = {
  name: "Age",
  type: "string",
  description: "Time since the object was created.",
  cell: (object, nowMs) => ageOf(object.metadata.creationTimestamp, nowMs),
};

function text(title: string, cell: (object: KubeObject) => string, priority = 0): Column {
  return { name: title, type: "string", priority, cell };
}

function count(title: string, ...path: string[]): Column {
  return { name: title, type: "integer", cell: (object) => at(object, ...path) ?? 0 };
}

function field(title: string, fallback: string, ...path: string[]): Column {
  return text(title, (object) => textOf(at(object, ...path)) || fallback);
}

function nodeStatus(node: KubeObject): string {
  const ready = listOf(at(node, "status", "conditions")).find(
    (condition) => at(condition, "type") === "Ready",
  );
  const words = [at(ready, "status") === "True" ? "Ready" : ready ? "NotReady" : "Unknown"];
  if (at(node, "spec", "unschedulable") === true) words.push("SchedulingDisabled");
  return words.join(",");
}

function nodeRoles(node: KubeObject): string {
  const prefix = "node-role.kubernetes.io/";
  const roles = Object.keys(node.metadata.labels ?? {})
    .filter((label) => label.startsWith(prefix))
    .map((label) => label.slice(prefix.length));
  return roles.length === 0 ? "<none>" : roles.sort().join(",");
}

function nodeAddress(node: KubeObject, type: string): string {
  const found = listOf(at(node, "status", "addresses")).find((item) => at(item, "type") === type);
  return textOf(at(found, "address")) || "<none>";
}

function podReady(pod: KubeObject): string {
  const total = listOf(at(pod, "spec", "containers")).length;
  const statuses = listOf(at(pod, "status", "containerStatuses"));
  return `${statuses.filter((status) => at(status, "ready") === true).length}/${total}`;
}

function podStatus(pod: KubeObject): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "Terminating";
  for (const status of listOf(at(pod, "status", "containerStatuses"))) {
    const waiting = textOf(at(status, "state", "waiting", "reason"));
    if (waiting !== "") return waiting;
    const ended = textOf(at(status, "state", "terminated", "reason"));
    if (ended !== "") return ended;
  }
  return textOf(at(pod, "status", "reason")) || textOf(at(pod, "status", "phase")) || "Unknown";
}

function podRestarts(pod: KubeObject): string {
  let restarts = 0;
  for (const status of listOf(at(pod, "status", "containerStatuses"))) {
    restarts += Number(at(status, "restartCount") ?? 0);
  }
  return String(restarts);
}

function joined(value: Json | undefined): string {
  const pairs = isObject(value) ? Object.entries(value) : [];
  if (pairs.length === 0) return "<none>";
  return pairs.map(([key, item]) => `${key}=${textOf(item)}`).join(",");
}

function lastSeen(event: KubeObject, nowMs: number): string {
  const times = [at(event, "lastTimestamp"), at(event, "eventTime")].map(textOf);
  return ageOf(times.find((time) => time !== "") ?? event.metadata.creationTimestamp, nowMs);
}

const byKind: Record<string, Column[]> = {
  Node: [
    text("Status", nodeStatus),
    text("Roles", nodeRoles),
    age,
    field("Version", "", "status", "nodeInfo", "kubeletVersion"),
    text("Internal-IP", (node) => nodeAddress(node, "InternalIP"), 1),
  ],
  Pod: [
    text("Ready", podReady),
    text("Status", podStatus),
    text("Restarts", podRestarts),
    age,
    text("IP", (pod) => textOf(at(pod, "status", "podIP")) || "<none>", 1),
    text("Node", (pod) => textOf(at(pod, "spec", "nodeName")) || "<none>", 1),
  ],
  Namespace: [field("Status", "", "status", "phase"), age],
  ConfigMap: [
    text("Data", (object) => {
      const data = Object.keys((at(object, "data") ?? {}) as object).length;
      return String(data + Object.keys((at(object, "binaryData") ?? {}) as object).length);
    }),
    age,
  ],
  Secret: [
    field("Type", "", "type"),
    text("Data", (object) => String(Object.keys((at(object, "data") ?? {}) as object).length)),
    age,
  ],
  Service: [
    field("Type", "ClusterIP", "spec", "type"),
    field("Cluster-IP", "<none>", "spec", "clusterIP"),
    age,
  ],
  Event: [
    { name: "Last Seen", type: "string", cell: lastSeen },
    field("Type", "", "type"),
    field("Reason", "", "reason"),
    text("Object", (event) => {
      const kind = textOf(at(event, "involvedObject", "kind")).toLowerCase();
      return `${kind}/${textOf(at(event, "involvedObject", "name"))}`;
    }),
    field("Message", "", "message"),
  ],
  Lease: [field("Holder", "", "spec", "holderIdentity"), age],
  DaemonSet: [
    count("Desired", "status", "desiredNumberScheduled"),
    count("Current", "status", "currentNumberScheduled"),
    count("Ready", "status", "numberReady"),
    count("Up-to-date", "status", "updatedNumberScheduled"),
    count("Available", "status", "numberAvailable"),
    text("Node Selector", (set) => joined(at(set, "spec", "template", "spec", "nodeSelector"))),
    age,
  ],
  Deployment: [
    text("Ready", (object) => {
      const ready = Number(at(object, "status", "readyReplicas") ?? 0);
      return `${ready}/${Number(at(object, "spec", "replicas") ?? 1)}`;
    }),
    count("Up-to-date", "status", "updatedReplicas"),
    count("Available", "status", "availableReplicas"),
    age,
  ],
  VolumeAttachment: [
    field("Attacher", "", "spec", "attacher"),
    field("PV", "", "spec", "source", "persistentVolumeName"),
    field("Node", "", "spec", "nodeName"),
    text("Attached", (object) => String(at(object, "status", "attached") === true)),
    age,
  ],
  CustomResourceDefinition: [
    {
      name: "Created At",
      type: "date",
      cell: (object) => object.metadata.creationTimestamp ?? "",
    },
  ],
  RoleBinding: [
    text("Role", (object) =>
      [at(object, "roleRef", "kind"), at(object, "roleRef", "name")].map(textOf).join("/"),
    ),
    age,
  ],
  ClusterRoleBinding: [
    text("Role", (object) =>
      [at(object, "roleRef", "kind"), at(object, "roleRef", "name")].map(textOf).join("/"),
    ),
    age,
  ],
};

/** The columns `kubectl get` shows for a built-in kind: its own, or name and age. */
export function builtinColumns(kind: string): Column[] {
  const own = byKind[kind] ?? [age];
  return kind === "Event" ? own : [name, ...own];
}

/** The two columns that a custom resource without printer columns has. */
export const defaultColumns: readonly Column[] = [name, age];

/** The first column of every custom resource. */
export const nameColumn: Column = name;
