import type { RemediationConditionType, RemediationReason } from "../api/condition-table.ts";
import type { Condition } from "../api/condition.ts";
import {
  FENCING_SUCCEEDED_MESSAGE,
  READY_SUCCEEDED_MESSAGE,
} from "../api/remediation-conditions.ts";
import type {
  RemediationPhase,
  SBDRemediation,
  SBDRemediationStatus,
} from "../api/sbd-remediation.ts";
import { type Action, type StatusPatch, targetOf } from "./action.ts";
import { statusText } from "./status-text.ts";

/** The moments of a request, one row of the table of conditions each. */
export type RemediationMoment =
  | "started"
  | "proof-pending"
  | "fenced"
  | "finished"
  | "failed"
  | "timed-out"
  | "node-not-found";

type Row = {
  readonly phase: RemediationPhase;
  readonly conditions: Partial<
    Record<RemediationConditionType, readonly [Condition["status"], RemediationReason]>
  >;
};

const ROWS: Readonly<Record<RemediationMoment, Row>> = {
  started: {
    phase: "Pending",
    conditions: {
      Processing: ["True", "RemediationStarted"],
      FencingSucceeded: ["Unknown", "RemediationStarted"],
      Succeeded: ["Unknown", "RemediationStarted"],
    },
  },
  "proof-pending": {
    phase: "FencingInProgress",
    conditions: {
      Processing: ["True", "RemediationStarted"],
      FencingSucceeded: ["Unknown", "ProofPending"],
      Succeeded: ["Unknown", "RemediationStarted"],
    },
  },
  fenced: {
    phase: "FencingInProgress",
    conditions: {
      Processing: ["True", "RemediationStarted"],
      FencingSucceeded: ["True", "FencingCompleted"],
      Succeeded: ["Unknown", "RemediationStarted"],
    },
  },
  finished: {
    phase: "FencedSuccessfully",
    conditions: {
      Processing: ["False", "RemediationFinishedSuccessfully"],
      FencingSucceeded: ["True", "FencingCompleted"],
      Succeeded: ["True", "RemediationFinishedSuccessfully"],
      Ready: ["True", "Succeeded"],
    },
  },
  failed: {
    phase: "Failed",
    conditions: {
      Processing: ["False", "FencingFailed"],
      FencingSucceeded: ["False", "FencingFailed"],
      Succeeded: ["False", "FencingFailed"],
      Ready: ["True", "Failed"],
    },
  },
  "timed-out": {
    phase: "Failed",
    conditions: {
      Processing: ["False", "RemediationTimeoutByNHC"],
      FencingSucceeded: ["False", "RemediationTimeoutByNHC"],
      Succeeded: ["False", "RemediationTimeoutByNHC"],
      Ready: ["True", "Failed"],
    },
  },
  "node-not-found": {
    phase: "Failed",
    conditions: {
      Processing: ["False", "RemediationSkippedNodeNotFound"],
      Succeeded: ["False", "RemediationSkippedNodeNotFound"],
      Ready: ["True", "Failed"],
    },
  },
};

/**
 * Brings phase, conditions and message to a moment; nothing where they are there already. The fencer
 * writes `status.fencing` meanwhile, so nothing else of the status is touched.
 */
export function showMoment(
  remediation: SBDRemediation,
  moment: RemediationMoment,
  text: string,
  wall: string,
  more: StatusPatch<SBDRemediationStatus> = {},
): Action[] {
  const message = statusText(text);
  const { phase, conditions } = ROWS[moment];
  const before = remediation.status.conditions ?? [];
  const after = before.filter(({ type }) => !Object.hasOwn(conditions, type));
  for (const [type, [status, reason]] of Object.entries(conditions)) {
    const known = before.find((condition) => condition.type === type);
    after.push({
      type,
      status,
      reason,
      message: conditionMessage(type, reason, message),
      lastTransitionTime: known?.status === status ? known.lastTransitionTime : wall,
      ...(remediation.metadata.generation === undefined
        ? {}
        : { observedGeneration: remediation.metadata.generation }),
    });
  }
  const unchanged =
    remediation.status.phase === phase &&
    (remediation.status.message ?? "") === message &&
    Object.keys(more).length === 0 &&
    after.every((condition) => before.some((known) => sameCondition(known, condition)));
  return unchanged
    ? []
    : [
        {
          type: "patch-remediation-status",
          target: targetOf(remediation),
          status: { phase, message, conditions: after, lastUpdateTime: wall, ...more },
        },
      ];
}

function conditionMessage(type: string, reason: RemediationReason, message: string): string {
  if (type === "FencingSucceeded" && reason === "FencingCompleted") {
    return FENCING_SUCCEEDED_MESSAGE;
  }
  return type === "Ready" && reason === "Succeeded" ? READY_SUCCEEDED_MESSAGE : message;
}

function sameCondition(a: Condition, b: Condition): boolean {
  return (
    a.type === b.type && a.status === b.status && a.reason === b.reason && a.message === b.message
  );
}
