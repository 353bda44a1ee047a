import { STORAGE_UNHEALTHY_CONDITION } from "../api/remediation-names.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import { type Action, targetOf } from "./action.ts";
import type { KubeNodeCondition } from "./kube-object.ts";
import { isReporting, type OperatorMemory } from "./memory.ts";
import { nodeNamed, type Moment, type Snapshot } from "./snapshot.ts";

/**
 * The node condition that NodeHealthCheck can watch: whether a node still reads and writes the
 * shared device, by its own agent's word where it reports, else by its peers'.
 */
export function reconcileStorageConditions(
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): readonly Action[] {
  return snapshot.sbdNodes.flatMap((sbdNode): Action[] => {
    const node = nodeNamed(snapshot, sbdNode.spec.nodeName);
    const wanted = judge(sbdNode, snapshot, memory, moment.nowMs);
    if (node === null || wanted === null) {
      return [];
    }
    const known = node.status?.conditions?.find(({ type }) => type === STORAGE_UNHEALTHY_CONDITION);
    if (known?.status === wanted.status && known.reason === wanted.reason) {
      return [];
    }
    const condition: KubeNodeCondition = {
      type: STORAGE_UNHEALTHY_CONDITION,
      ...wanted,
      lastHeartbeatTime: moment.wall,
      lastTransitionTime:
        known?.status === wanted.status ? (known.lastTransitionTime ?? moment.wall) : moment.wall,
    };
    const conditions = [
      ...(node.status?.conditions ?? []).filter(({ type }) => type !== STORAGE_UNHEALTHY_CONDITION),
      condition,
    ];
    return [{ type: "set-node-conditions", target: targetOf(node), conditions }];
  });
}

type Wanted = { readonly status: string; readonly reason: string; readonly message: string };

function judge(
  sbdNode: SBDNode,
  snapshot: Snapshot,
  memory: OperatorMemory,
  nowMs: number,
): Wanted | null {
  const peers = snapshot.sbdNodes.filter(
    (peer) =>
      peer !== sbdNode &&
      peer.spec.configName === sbdNode.spec.configName &&
      isReporting(memory, peer, nowMs),
  );
  const missedBy = peers.filter((peer) =>
    peer.status.unhealthyPeers?.some(({ nodeID }) => nodeID === sbdNode.spec.nodeID),
  );
  if (missedBy.length > 0 && missedBy.length === peers.length) {
    return {
      status: "True",
      reason: "HeartbeatTimeout",
      message: `${missedBy.length} agent(s) no longer see its heartbeat move`,
    };
  }
  if (isReporting(memory, sbdNode, nowMs) && missedBy.length === 0) {
    return { status: "False", reason: "HeartbeatMoving", message: "its agent has good passes" };
  }
  return null;
}
