import type { SBDNode } from "../api/sbd-node.ts";
import type { Action } from "./action.ts";
import { isReporting, type OperatorMemory } from "./memory.ts";
import { orderSlotWork } from "./slot-task.ts";
import { isGoing, nodeNameOf, slotsOfConfig, type Moment, type Snapshot } from "./snapshot.ts";

/**
 * Has the fence slots that their own agents cannot read repaired by other agents of the device. Not
 * while any request names the node: its message may be what cannot be read, and its fencer writes it
 * anew. Until then the node lives by the API alone, and one that has just booted stays unarmed.
 */
export function repairSlots(
  snapshot: Snapshot,
  memory: OperatorMemory,
  { nowMs, wall }: Moment,
): readonly Action[] {
  return snapshot.sbdNodes.flatMap((slot): readonly Action[] => {
    const { fenceSlotUnreadableSince: since } = slot.status;
    const { nodeName, configName } = slot.spec;
    if (
      since === undefined ||
      isGoing(slot, snapshot) ||
      snapshot.remediations.some((remediation) => nodeNameOf(remediation) === nodeName)
    ) {
      return [];
    }
    const others = slotsOfConfig(snapshot, configName).filter(
      (node) => node !== slot && !isGoing(node, snapshot),
    );
    const healthy = others.filter((node) => isReporting(memory, node, nowMs));
    const candidates = healthy.length > 0 ? healthy : fellowsOf(slot, others);
    const work = { id: repairID(slot, since), kind: "Repair" } as const;
    const progress = orderSlotWork(work, slot, candidates, "", snapshot, wall);
    return progress.kind === "wait" ? progress.actions : [];
  });
}

/**
 * Where garbage lies in every slot no agent has good passes, and yet they read the device. The next one
 * first, so that each is asked for another slot: the first that is repaired makes a healthy agent.
 */
function fellowsOf({ spec: { nodeID } }: SBDNode, others: readonly SBDNode[]): readonly SBDNode[] {
  const fellows = others
    .filter(({ status }) => status.fenceSlotUnreadableSince !== undefined)
    .toSorted((a, b) => a.spec.nodeID - b.spec.nodeID);
  return [
    ...fellows.filter(({ spec }) => spec.nodeID > nodeID),
    ...fellows.filter(({ spec }) => spec.nodeID < nodeID),
  ];
}

/** One an occurrence: an agent dates it once, to the millisecond. The API takes 64 characters. */
function repairID({ metadata }: SBDNode, since: string): string {
  return `repair-${metadata.uid ?? ""}-${since.replaceAll(/\D/g, "")}`.slice(0, 64);
}
