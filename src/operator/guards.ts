import { EXCLUDE_LABEL } from "../api/remediation-names.ts";
import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { isReady, type KubeNode } from "./kube-object.ts";
import type { OperatorMemory } from "./memory.ts";
import { nodeNamed, nodeNameOf, outcomeOf, type Snapshot } from "./snapshot.ts";

const CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane";

/**
 * What forbids to begin with a node now, for its request's status; null: nothing. Asked before the first
 * fencer is named, and never after it: from then on a message may stand, and who withdraws it leaves a
 * node half fenced.
 */
export function whyNotYet(
  remediation: SBDRemediation,
  node: KubeNode,
  snapshot: Snapshot,
  memory: OperatorMemory,
): string | null {
  if (node.metadata.labels?.[EXCLUDE_LABEL] !== undefined) {
    return (
      `waiting: the Node carries the label ${EXCLUDE_LABEL}, and is not fenced while it does; take the ` +
      `label away or delete this request`
    );
  }
  const other = isControlPlane(node) ? otherInHand(remediation, node, snapshot, memory) : null;
  return other === null
    ? null
    : `waiting for control-plane node ${other.metadata.name}, which is being fenced or is not back ` +
        `Ready: two of them at once may cost the cluster its etcd quorum`;
}

/**
 * A control-plane node that a request has taken in hand and that is not back. A request that ended
 * without ever having had a fencer has done nothing to its node.
 */
function otherInHand(
  remediation: SBDRemediation,
  node: KubeNode,
  snapshot: Snapshot,
  memory: OperatorMemory,
): KubeNode | null {
  for (const other of snapshot.remediations) {
    const name = nodeNameOf(other) ?? "";
    const theirs = name === node.metadata.name ? null : nodeNamed(snapshot, name);
    const named = memory.requests.get(other.metadata.uid ?? "")?.named.agent ?? "";
    const isInHand = (other.status.fencing?.configName ?? named) !== "";
    if (other === remediation || theirs === null || !isControlPlane(theirs) || !isInHand) {
      continue;
    }
    const outcome = outcomeOf(other);
    const goesOn = outcome === "open" || outcome === "fenced";
    if (goesOn || !isReady(theirs)) {
      return theirs;
    }
  }
  return null;
}

function isControlPlane({ metadata }: KubeNode): boolean {
  return metadata.labels?.[CONTROL_PLANE_LABEL] !== undefined;
}
