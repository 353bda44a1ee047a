import type { NodeConditionReason } from "../api/condition-table.ts";
import { STORAGE_UNHEALTHY_CONDITION } from "../api/remediation-names.ts";
import { slotKey } from "../api/report-rhythm.ts";
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
  const votes = countVotes(snapshot, memory, moment.nowMs);
  return snapshot.nodes.flatMap((node): Action[] => {
    const known = node.status?.conditions?.find(({ type }) => type === STORAGE_UNHEALTHY_CONDITION);
    const wanted = wantedFor(node, known, snapshot, votes);
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
  votes: Votes,
): Wanted | "none" | "as-it-is" {
  const [sbdNode] = slotsOfNode(snapshot, node.metadata.name);
  if (sbdNode === undefined || owningConfig(snapshot, node.metadata.name) === null) {
    return "none";
  }
  if (isAbsentOnPurpose(sbdNode, snapshot)) {
    return known?.status === "True" ? "none" : "as-it-is";
  }
  return judge(sbdNode, votes) ?? "as-it-is";
}

type Wanted = {
  readonly status: string;
  readonly reason: NodeConditionReason;
  readonly message: string;
};

/** What the agents that report say of each other. */
type Votes = {
  readonly reporting: ReadonlySet<SBDNode>;
  /** How many of them there are, by SBDConfig. */
  readonly voters: ReadonlyMap<string, number>;
  /** How many others of them miss a slot, by `slotKey`. */
  readonly missing: ReadonlyMap<string, number>;
};

function countVotes({ sbdNodes }: Snapshot, memory: OperatorMemory, nowMs: number): Votes {
  const reporting = new Set(sbdNodes.filter((node) => isReporting(memory, node, nowMs)));
  const voters = new Map<string, number>();
  const missing = new Map<string, number>();
  for (const { spec, status } of reporting) {
    const { configName, nodeID: ownID } = spec;
    voters.set(configName, (voters.get(configName) ?? 0) + 1);
    const missed = new Set(status.unhealthyPeers?.map(({ nodeID }) => nodeID));
    missed.delete(ownID);
    for (const nodeID of missed) {
      const slot = slotKey(configName, nodeID);
      missing.set(slot, (missing.get(slot) ?? 0) + 1);
    }
  }
  return { reporting, voters, missing };
}

function judge(sbdNode: SBDNode, { reporting, voters, missing }: Votes): Wanted | null {
  const { configName, nodeID } = sbdNode.spec;
  const reports = reporting.has(sbdNode);
  const peers = (voters.get(configName) ?? 0) - (reports ? 1 : 0);
  const missedBy = missing.get(slotKey(configName, nodeID)) ?? 0;
  if (missedBy > 0 && missedBy === peers) {
    return {
      status: "True",
      reason: "HeartbeatTimeout",
      message: `${missedBy} agent(s) no longer see its heartbeat move`,
    };
  }
  if (reports && missedBy === 0) {
    return { status: "False", reason: "HeartbeatMoving", message: "its agent has good passes" };
  }
  return null;
}
