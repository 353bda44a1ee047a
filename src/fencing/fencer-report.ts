import type { Evidence, Missing } from "./evidence.ts";
import { mayAddress, targetTiming } from "./fencer-case.ts";
import type { FencerState, OpenRequest } from "./fencer-state.ts";
import { addressee } from "./message-writing.ts";
import { whyUnfencable, type UnfencableReason } from "./unfencable.ts";

/** How far one request is: what goes into `status.fencing`. */
export type FencerReport = {
  readonly uid: string;
  readonly state: "Waiting" | "Writing" | "Durable" | "Proven" | "Failed";
  /** Epoch of the standing message, or the highest one known. */
  readonly epoch: number;
  readonly bootID: string | null;
  readonly machineID: string | null;
  /** How long the message has stood; null before. */
  readonly durableForMs: number | null;
  /** M. */
  readonly msgwaitMs: number;
  readonly evidence: Evidence | null;
  readonly missing: readonly Missing[];
  /** Said at once; after M of nothing else the request fails unless something proves it before. */
  readonly unfencable: UnfencableReason | null;
  /** Why it failed, or what is in the way; empty where nothing is. */
  readonly detail: string;
};

export function reportRequest(
  state: FencerState,
  request: OpenRequest,
  nowMs: number,
): FencerReport {
  const { message } = state;
  const record = message.kind === "none" ? null : message.record;
  const standing = message.kind === "standing" ? message : null;
  const { msgwaitMs } = targetTiming(state);
  const unfencable = request.proof === null ? unfencableNow(state) : null;
  // An agent that starts beats unarmed for a moment, also long after the message.
  const countFromMs = Math.max(
    standing?.durableMs ?? request.acceptedMs,
    state.unfencableSinceMs ?? nowMs,
  );
  const failed =
    message.kind === "unwritable" || (unfencable !== null && nowMs - countFromMs >= msgwaitMs);
  return {
    uid: request.uid,
    state:
      request.proof !== null
        ? "Proven"
        : failed
          ? "Failed"
          : standing !== null
            ? "Durable"
            : message.kind === "none"
              ? "Waiting"
              : "Writing",
    epoch: record?.epoch ?? Math.max(state.recordedEpoch, state.supersededEpoch),
    bootID: record?.targetBootID ?? null,
    machineID: record?.targetMachineID ?? null,
    durableForMs: standing === null ? null : nowMs - standing.durableMs,
    msgwaitMs,
    evidence: request.proof,
    missing: request.missing,
    unfencable,
    detail: whatIsInTheWay(state, request, unfencable, nowMs),
  };
}

/** Null too before the first look at the device. */
export function unfencableNow({ config, sightings }: FencerState): UnfencableReason | null {
  return sightings.heartbeatsRead === null
    ? null
    : whyUnfencable(sightings.heartbeats.get(config.target.nodeID), config.target);
}

function whatIsInTheWay(
  state: FencerState,
  request: OpenRequest,
  unfencable: UnfencableReason | null,
  nowMs: number,
): string {
  const { message } = state;
  if (request.proof !== null) {
    return "";
  }
  if (message.kind === "unwritable" || message.kind === "retrying") {
    return `the fence message cannot be written: ${message.error}`;
  }
  const isTold = message.kind === "none" && request.answeredMs !== null;
  const boot = isTold ? addressee(state, nowMs) : null;
  const isAnother = boot !== null && !mayAddress(state, request, boot.bootID, nowMs);
  return (
    unfencable?.detail ??
    (isAnother
      ? `the node has rebooted: the request is about boot ${request.nodeBootID}, and boot ${boot.bootID} ` +
        `is not ordered dead for it`
      : request.refusal)
  );
}
