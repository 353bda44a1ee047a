import type { NodeConditionReason } from "../api/condition-table.ts";
import { STORAGE_UNHEALTHY_CONDITION } from "../api/remediation-names.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import { type Action, targetOf } from "./action.ts";
import type { KubeNode, KubeNodeCondition } from "./kube-object.ts";
import { isReporting, type OperatorMemory } from "./memory.ts";
import { owningConfig } from "./node-slots.ts";
import { isAbsentOnPurpose, slotsOfNode, type Moment, type Snapshot } from "./snapshot.ts";

/**
 * The node condition that NodeHealthCheck can watch: whether a node still reads and writes the
 * shared device, by its own agent's word where it reports, else by its peers'. Whoever is absent on
 * purpose is not unhealthy: an agent that leaves in order, a slot that is given back, a node that no
 * SBDConfig covers. What was said of such a node is taken back.
 */
export function reconcileStorageConditions(
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): readonly Action[] {
  return snapshot.nodes.flatMap((node): Action[] => {
    const known = node.status?.conditions?.find(({ type }) => type === STORAGE_UNHEALTHY_CONDITION);
    const wanted = wantedFor(node, known, snapshot, memory, moment.nowMs);
    if (
      wanted === "as-it-is" ||
      (wanted === "none"
        ? known === undefined
        : known?.status === wanted.status && known.reason === wanted.reason)
    ) {
      return [];
    }
    const others = (node.status?.conditions ?? []).filter(
      ({ type }) => type !== STORAGE_UNHEALTHY_CONDITION,
    );
    const conditions =
      wanted === "none" ? others : [...others, conditionOf(wanted, known, moment.wall)];
    return [{ type: "set-node-conditions", target: targetOf(node), conditions }];
  });
}

function conditionOf(
  wanted: Wanted,
  known: KubeNodeCondition | undefined,
  wall: string,
): KubeNodeCondition {
  return {
    type: STORAGE_UNHEALTHY_CONDITION,
    ...wanted,
    lastHeartbeatTime: wall,
    lastTransitionTime: known?.status === wanted.status ? (known.lastTransitionTime ?? wall) : wall,
  };
}

function wantedFor(
  node: KubeNode,
  known: KubeNodeCondition | undefined,
  snapshot: Snapshot,
  memory: OperatorMemory,
  nowMs: number,
): Wanted | "none" | "as-it-is" {
  const [sbdNode] = slotsOfNode(snapshot, node.metadata.name);
  if (sbdNode === undefined || owningConfig(snapshot, node.metadata.name) === null) {
    return "none";
  }
  if (isAbsentOnPurpose(sbdNode, snapshot)) {
    return known?.status === "True" ? "none" : "as-it-is";
  }
  return judge(sbdNode, snapshot, memory, nowMs) ?? "as-it-is";
}

type Wanted = {
  readonly status: string;
  readonly reason: NodeConditionReason;
  readonly message: string;
};

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
