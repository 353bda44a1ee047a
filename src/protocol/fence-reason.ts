/** No fencing: a message with this reason clears the slot. */
export const FENCE_REASON_NONE = 0x00;
/** The node's heartbeats stopped. */
export const FENCE_REASON_HEARTBEAT_TIMEOUT = 0x01;
/** A person or a program asked for it. */
export const FENCE_REASON_MANUAL = 0x02;
/** The cluster fell into parts that do not see each other. */
export const FENCE_REASON_SPLIT_BRAIN = 0x03;
/** Two nodes hold one resource. */
export const FENCE_REASON_RESOURCE_CONFLICT = 0x04;

const NAMES = ["NONE", "HEARTBEAT_TIMEOUT", "MANUAL", "SPLIT_BRAIN", "RESOURCE_CONFLICT"] as const;

/** Whether a reason byte is one that this program understands; `FENCE_REASON_NONE` is. */
export function isValidFenceReason(reason: number): boolean {
  return Number.isInteger(reason) && reason >= 0 && reason < NAMES.length;
}

/** The constant's name without `FENCE_REASON_`, or `UNKNOWN` for any other reason. */
export function getFenceReasonName(reason: number): string {
  return NAMES[reason] ?? "UNKNOWN";
}
