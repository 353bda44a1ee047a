/**
 * Condition types of an SBDRemediation. NodeHealthCheck reads `Succeeded` alone: False is final for
 * it, so that it goes on to the next remediator.
 */
export type RemediationConditionType = "Processing" | "FencingSucceeded" | "Succeeded" | "Ready";

/** Condition reasons of an SBDRemediation. */
export type RemediationReason =
  | "RemediationStarted"
  | "ProofPending"
  | "FencingCompleted"
  | "RemediationFinishedSuccessfully"
  | "Succeeded"
  | "FencingFailed"
  | "Failed"
  | "RemediationTimeoutByNHC"
  | "RemediationSkippedNodeNotFound";

/** Message of `FencingSucceeded=True`, as the blueprint words it. */
export const FENCING_SUCCEEDED_MESSAGE = "Node successfully fenced via SBD.";

/** Message of `Ready=True` with reason Succeeded, as the blueprint words it. */
export const READY_SUCCEEDED_MESSAGE = "Fencing completed successfully.";
