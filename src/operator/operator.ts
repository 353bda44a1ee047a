import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { type Action, targetOf } from "./action.ts";
import { reconcileConfig, type OperatorPlace } from "./config.ts";
import { keepFencings } from "./fencing-history.ts";
import { reconcileFencers } from "./fencer-deployment.ts";
import { eachByItself, type LineOfWork, type LineSubject } from "./line-of-work.ts";
import { noteReports, type OperatorMemory } from "./memory.ts";
import { releaseOrphanSlots } from "./orphan-slots.ts";
import { removeOrphanTaints } from "./orphan-taints.ts";
import { unlessRefused } from "./refused-write.ts";
import { reconcileRemediation } from "./remediation.ts";
import { repairSlots } from "./slot-repair.ts";
import { nodeNameOf, outcomeOf, type Moment, type Snapshot } from "./snapshot.ts";
import { reconcileStartupTaints } from "./startup-taints.ts";
import { reconcileStorageConditions } from "./storage-condition.ts";

/** What a look at the cluster wants, most urgent first, and what the leader is to remember. */
export type Reconciliation = {
  readonly lines: readonly LineOfWork[];
  readonly memory: OperatorMemory;
};

/**
 * One whole look at the cluster by a leader: what it wants written, most urgent first. Pure, and the
 * same in the operator, in tests and in the simulator. It is asked on every change and at least every
 * few seconds, so an event that was missed or doubled makes no difference.
 *
 * @param isFree false for the key of a line that is under way or waits to be tried again: it is not
 *   decided anew
 */
export function reconcile(
  snapshot: Snapshot,
  before: OperatorMemory,
  moment: Moment,
  place: OperatorPlace,
  isFree: (key: string) => boolean,
): Reconciliation {
  let memory = noteReports(before, snapshot, moment.nowMs);
  const lines: LineOfWork[] = [];
  for (const remediation of snapshot.remediations.toSorted(byUrgency)) {
    const key = `request ${remediation.metadata.uid ?? ""}`;
    if (!isFree(key)) {
      continue;
    }
    const wanted = reconcileRemediation(remediation, snapshot, memory, moment);
    const step = unlessRefused(wanted, remediation, snapshot, moment);
    ({ memory } = step);
    if (step.actions.length > 0) {
      lines.push({ key, subject: subjectOfRequest(remediation), actions: step.actions });
    }
  }
  const others: readonly Action[] = [
    ...keepFencings(snapshot),
    ...reconcileStorageConditions(snapshot, memory, moment),
    ...removeOrphanTaints(snapshot),
    ...reconcileStartupTaints(snapshot),
    ...releaseOrphanSlots(snapshot, memory, moment),
    ...repairSlots(snapshot, memory, moment),
    ...snapshot.configs.flatMap((config) =>
      reconcileConfig(config, snapshot, memory, moment, place),
    ),
    ...reconcileFencers(snapshot, place),
  ];
  lines.push(...eachByItself(others, subjectOf).filter(({ key }) => isFree(key)));
  return { lines, memory };
}

/** Nodes that may still run come first, those that have waited longest before all. */
function byUrgency(a: SBDRemediation, b: SBDRemediation): number {
  return (
    urgencyOf(a) - urgencyOf(b) ||
    (a.metadata.creationTimestamp ?? "").localeCompare(b.metadata.creationTimestamp ?? "")
  );
}

function urgencyOf(remediation: SBDRemediation): number {
  const outcome = outcomeOf(remediation);
  if (remediation.metadata.deletionTimestamp !== undefined) {
    return 2;
  }
  return outcome === "open" ? 0 : outcome === "fenced" ? 1 : 3;
}

function subjectOfRequest(remediation: SBDRemediation): LineSubject {
  const { name, namespace } = targetOf(remediation);
  const node = nodeNameOf(remediation);
  return { request: `${namespace ?? ""}/${name}`, ...(node === null ? {} : { node }) };
}

function subjectOf(action: Action): LineSubject {
  switch (action.type) {
    case "set-taints":
    case "release-taints":
    case "set-node-conditions":
      return { node: action.target.name };
    case "create-sbd-node":
      return { node: action.spec.nodeName, config: action.spec.configName };
    case "delete-sbd-node":
    case "set-sbd-node-finalizers":
    case "patch-sbd-node-status":
      return { slot: action.target.name };
    case "set-config-finalizers":
    case "patch-config-status":
      return { config: action.target.name };
    case "apply-daemon-set":
      return { daemonSet: action.manifest.metadata.name };
    case "create-job":
      return { job: action.manifest.metadata.name };
    case "delete-job":
      return { job: action.target.name };
    case "delete-daemon-set":
      return { daemonSet: action.target.name };
    case "apply-deployment":
      return { deployment: action.manifest.metadata.name };
    case "delete-deployment":
      return { deployment: action.target.name };
    case "set-remediation-finalizers":
    case "patch-remediation-status":
      return { request: `${action.target.namespace ?? ""}/${action.target.name}` };
    case "delete-pod":
      return { pod: `${action.target.namespace ?? ""}/${action.target.name}` };
    case "event":
      return { event: action.reason };
  }
}
