import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { type Action, targetOf, writeKeyOf } from "./action.ts";
import { statusText } from "./status-text.ts";
import type { ReconcileStep } from "./reconcile-step.ts";
import { boundOfFirst, failAtBound } from "./remediation.ts";
import { outcomeOf, type Moment, type Snapshot } from "./snapshot.ts";

/**
 * Cuts a request's work where the API server refuses a write for good, and says in its status what is
 * refused and who can change that. Where no message stands yet it fails at M, as one that nobody can
 * fence.
 */
export function unlessRefused(
  step: ReconcileStep,
  remediation: SBDRemediation,
  snapshot: Snapshot,
  moment: Moment,
): ReconcileStep {
  const { refusals } = step.memory;
  const index = step.actions.findIndex((action) => refusals.has(writeKeyOf(action)));
  const refused = step.actions[index];
  if (refused === undefined) {
    return step;
  }
  const before = step.actions.slice(0, index);
  if (refused.type === "patch-remediation-status") {
    return { ...step, actions: before };
  }
  const message = statusText(
    `the API server refuses what the operator has to write: ` +
      `${refusals.get(writeKeyOf(refused))?.message ?? ""}; look at ClusterRole sbd-operator and at ` +
      `admission policies`,
  );
  const { metadata, status } = remediation;
  const mayFail =
    metadata.deletionTimestamp === undefined &&
    outcomeOf(remediation) === "open" &&
    status.fencing?.state !== "Durable";
  const said = mayFail
    ? failAtBound(remediation, boundOfFirst(snapshot), message, step.memory, moment)
    : { actions: sayOnly(remediation, message, moment), memory: step.memory };
  return { actions: [...before, ...said.actions], memory: said.memory };
}

function sayOnly(
  remediation: SBDRemediation,
  message: string,
  { wall }: Moment,
): readonly Action[] {
  return remediation.status.message === message
    ? []
    : [
        {
          type: "patch-remediation-status",
          target: targetOf(remediation),
          status: { message, lastUpdateTime: wall },
        },
      ];
}
