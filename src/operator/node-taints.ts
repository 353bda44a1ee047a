import { OUT_OF_SERVICE_TAINT, REMEDIATION_TAINT_KEY } from "../api/remediation-names.ts";
import { type Action, targetOf } from "./action.ts";
import { hasTaint, type KubeNode, type KubeTaint } from "./kube-object.ts";

/**
 * Keeps new pods off a node that is being fenced. NoSchedule from the start; NoExecute once the
 * message is durable, for kubelet admission refuses on nothing less, and a boot that came back
 * isolated must not be given its pods again.
 */
export function taintForFencing(
  node: KubeNode,
  effect: "NoSchedule" | "NoExecute",
  wall: string,
): Action[] {
  if (hasTaint(node, REMEDIATION_TAINT_KEY, effect)) {
    return [];
  }
  if (effect === "NoSchedule" && hasTaint(node, REMEDIATION_TAINT_KEY, "NoExecute")) {
    return [];
  }
  // Kubernetes knows the time of a NoExecute taint only.
  const taint: KubeTaint = {
    key: REMEDIATION_TAINT_KEY,
    effect,
    ...(effect === "NoExecute" ? { timeAdded: wall } : {}),
  };
  return setTaints(node, [...taintsBut(node, REMEDIATION_TAINT_KEY), taint]);
}

/** New pods are still kept off; those that run stay. For a request of that UID. */
export function lowerTaint(node: KubeNode, uid: string): Action[] {
  const taints: KubeTaint[] = [
    ...taintsBut(node, REMEDIATION_TAINT_KEY),
    { key: REMEDIATION_TAINT_KEY, effect: "NoSchedule" },
  ];
  return hasTaint(node, REMEDIATION_TAINT_KEY, "NoExecute")
    ? [{ type: "release-taints", target: targetOf(node), lowering: uid, taints }]
    : [];
}

/** Beside our own taint, which shows whose it is. */
export function taintOutOfService(node: KubeNode, wall: string): Action[] {
  if (hasTaint(node, OUT_OF_SERVICE_TAINT.key)) {
    return [];
  }
  const ours: KubeTaint = { key: REMEDIATION_TAINT_KEY, effect: "NoExecute", timeAdded: wall };
  return setTaints(node, [
    ...(node.spec?.taints ?? []),
    ...(hasTaint(node, REMEDIATION_TAINT_KEY) ? [] : [ours]),
    { ...OUT_OF_SERVICE_TAINT, timeAdded: wall },
  ]);
}

/** Takes taints of that key away. */
export function removeTaint(node: KubeNode, key: string): Action[] {
  return hasTaint(node, key) ? setTaints(node, taintsBut(node, key)) : [];
}

/** Takes our taints away, and with them the out-of-service taint, where nobody condemns the node. */
export function releaseTaints(node: KubeNode): Action[] {
  const taints = taintsBut(node, REMEDIATION_TAINT_KEY).filter(
    ({ key }) => key !== OUT_OF_SERVICE_TAINT.key,
  );
  return taints.length === (node.spec?.taints ?? []).length
    ? []
    : [{ type: "release-taints", target: targetOf(node), lowering: null, taints }];
}

function taintsBut(node: KubeNode, key: string): readonly KubeTaint[] {
  return (node.spec?.taints ?? []).filter((taint) => taint.key !== key);
}

function setTaints(node: KubeNode, taints: readonly KubeTaint[]): Action[] {
  return [{ type: "set-taints", target: targetOf(node), taints }];
}
