import type { Action } from "./action.ts";
import { reconcileConfig, type OperatorPlace } from "./config.ts";
import { reconcileFencers } from "./fencer-deployment.ts";
import { noteReports, type OperatorMemory } from "./memory.ts";
import { releaseOrphanSlots } from "./orphan-slots.ts";
import { removeOrphanTaints } from "./orphan-taints.ts";
import { reconcileRemediation } from "./remediation.ts";
import type { ReconcileStep } from "./reconcile-step.ts";
import { repairSlots } from "./slot-repair.ts";
import type { Moment, Snapshot } from "./snapshot.ts";
import { reconcileStorageConditions } from "./storage-condition.ts";

/**
 * One whole look at the cluster by a leader: what it wants written, most urgent first. Pure, and the
 * same in the operator, in tests and in the simulator. It is asked on every change and at least every
 * few seconds, so an event that was missed or doubled makes no difference.
 */
export function reconcile(
  snapshot: Snapshot,
  before: OperatorMemory,
  moment: Moment,
  place: OperatorPlace,
): ReconcileStep {
  let memory = noteReports(before, snapshot, moment.nowMs);
  const actions: Action[] = [];
  for (const remediation of snapshot.remediations) {
    const step = reconcileRemediation(remediation, snapshot, memory, moment);
    memory = step.memory;
    actions.push(...step.actions);
  }
  actions.push(...reconcileStorageConditions(snapshot, memory, moment));
  actions.push(...removeOrphanTaints(snapshot), ...releaseOrphanSlots(snapshot, memory, moment));
  actions.push(...repairSlots(snapshot, memory, moment));
  for (const config of snapshot.configs) {
    actions.push(...reconcileConfig(config, snapshot, memory, moment, place));
  }
  actions.push(...reconcileFencers(snapshot, place));
  return { actions, memory };
}
