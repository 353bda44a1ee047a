import { NODE_SLOT_FINALIZER } from "../api/remediation-names.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import { type Action, targetOf } from "./action.ts";
import { isReporting, type OperatorMemory } from "./memory.ts";
import { configNamed, type Moment, type Snapshot } from "./snapshot.ts";

/**
 * Lets the SBDNodes of an SBDConfig go that is gone, also one that was created anew under its name:
 * its agents go with it, so nobody is left to attest anything. Each once its own agent is silent; the
 * device is initialised again, or watched for M, before anybody else writes to the slot.
 */
export function releaseOrphanSlots(
  snapshot: Snapshot,
  memory: OperatorMemory,
  { nowMs }: Moment,
): readonly Action[] {
  return snapshot.sbdNodes.flatMap((node): Action[] => {
    const { deletionTimestamp, finalizers = [] } = node.metadata;
    const releasable =
      deletionTimestamp !== undefined &&
      finalizers.includes(NODE_SLOT_FINALIZER) &&
      isOrphan(node, snapshot) &&
      !isReporting(memory, node, nowMs);
    return releasable
      ? [
          {
            type: "set-sbd-node-finalizers",
            target: targetOf(node),
            finalizers: finalizers.filter((finalizer) => finalizer !== NODE_SLOT_FINALIZER),
          },
        ]
      : [];
  });
}

export function isOrphan(node: SBDNode, snapshot: Snapshot): boolean {
  const config = configNamed(snapshot, node.spec.configName);
  const owners = (node.metadata.ownerReferences ?? []).filter(({ kind }) => kind === "SBDConfig");
  return (
    config === null || (owners.length > 0 && !owners.some(({ uid }) => uid === config.metadata.uid))
  );
}
