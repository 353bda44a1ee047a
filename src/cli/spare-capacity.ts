import { fieldAt, listAt, textAt, type KubeObject } from "../kube/kube-object.ts";
import { parseQuantity } from "./quantity.ts";
import { readyOf } from "./status.ts";

type Amounts = { readonly cpu: number; readonly memory: number; readonly pods: number };

/**
 * Pods of a node that have to start elsewhere when it is gone: all that run, but those of DaemonSets and
 * those that the kubelet itself makes.
 */
export function movablePods(nodeName: string, pods: readonly KubeObject[]): readonly KubeObject[] {
  return pods.filter(
    (pod) =>
      isRunningOn(nodeName, pod) &&
      pod.metadata.annotations?.["kubernetes.io/config.mirror"] === undefined &&
      pod.metadata.ownerReferences?.some(({ kind }) => kind === "DaemonSet") !== true,
  );
}

/**
 * Which pods of the node find no room on the other nodes, by the CPU and memory that they request and the
 * number of pods that nodes take, the largest first. Where a pod may run at all (selectors, affinity,
 * taints of its own) is not judged: nodes with any NoSchedule or NoExecute taint are left out.
 */
export function podsWithoutRoom(
  nodeName: string,
  nodes: readonly KubeObject[],
  pods: readonly KubeObject[],
): readonly string[] {
  const free = nodes
    .filter((node) => node.metadata.name !== nodeName && takesPods(node))
    .map((node) => freeOn(node, pods));
  const moving = movablePods(nodeName, pods).toSorted(
    (a, b) => requestOf(b).memory - requestOf(a).memory || requestOf(b).cpu - requestOf(a).cpu,
  );
  return moving.flatMap((pod) => {
    const wanted = requestOf(pod);
    const at = free.findIndex((room) => fits(wanted, room));
    const room = free[at];
    if (room === undefined) return [`${pod.metadata.namespace ?? ""}/${pod.metadata.name ?? ""}`];
    free[at] = minus(room, wanted);
    return [];
  });
}

function takesPods(node: KubeObject): boolean {
  return (
    readyOf(node) === "True" &&
    fieldAt(node, "spec", "unschedulable") !== true &&
    !listAt(node, "spec", "taints").some((taint) =>
      ["NoSchedule", "NoExecute"].includes(textAt(taint, "effect")),
    )
  );
}

/** A node that does not say what it has is taken to have room. */
function freeOn(node: KubeObject, pods: readonly KubeObject[]): Amounts {
  const has = (what: string): number =>
    parseQuantity(textAt(node, "status", "allocatable", what)) ?? Infinity;
  const allocatable = { cpu: has("cpu"), memory: has("memory"), pods: has("pods") };
  return pods
    .filter((pod) => isRunningOn(node.metadata.name ?? "", pod))
    .map(requestOf)
    .reduce(minus, allocatable);
}

function isRunningOn(nodeName: string, pod: KubeObject): boolean {
  return (
    textAt(pod, "spec", "nodeName") === nodeName &&
    !["Succeeded", "Failed"].includes(textAt(pod, "status", "phase"))
  );
}

function amount(container: unknown, what: string): number {
  return parseQuantity(textAt(container, "resources", "requests", what)) ?? 0;
}

/** As the scheduler counts: containers together, or the largest of those that run before them. */
function requestOf(pod: KubeObject): Amounts {
  const all = (what: string): number => {
    const running = listAt(pod, "spec", "containers").reduce<number>(
      (sum, container) => sum + amount(container, what),
      0,
    );
    const before = listAt(pod, "spec", "initContainers").map((container) =>
      amount(container, what),
    );
    const overhead = parseQuantity(textAt(pod, "spec", "overhead", what)) ?? 0;
    return Math.max(running, ...before) + overhead;
  };
  return { cpu: all("cpu"), memory: all("memory"), pods: 1 };
}

function fits(wanted: Amounts, room: Amounts): boolean {
  return wanted.cpu <= room.cpu && wanted.memory <= room.memory && wanted.pods <= room.pods;
}

function minus(room: Amounts, taken: Amounts): Amounts {
  return {
    cpu: room.cpu - taken.cpu,
    memory: room.memory - taken.memory,
    pods: room.pods - taken.pods,
  };
}
