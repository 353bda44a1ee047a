import type { FenceRecord } from "../protocol/fence-record.ts";
import type { FencerState, OpenRequest } from "./fencer-state.ts";

/** The requests that still want something of this fencer. */
export function openRequests(state: FencerState): readonly OpenRequest[] {
  return state.requests.filter(({ concluded }) => !concluded);
}

/** Further requests for the node attach to the one standing message. */
export function acceptRequest(
  state: FencerState,
  { uid, reason, finalizerMs }: Pick<OpenRequest, "uid" | "reason" | "finalizerMs">,
  nowMs: number,
): FencerState {
  if (state.requests.some((request) => request.uid === uid)) {
    return state;
  }
  const request: OpenRequest = {
    uid,
    reason,
    finalizerMs,
    acceptedMs: nowMs,
    grantedMs: null,
    refusal: "",
    askedMs: null,
    answeredMs: null,
    confirmation: null,
    confirmedMs: null,
    nodeBootID: "",
    epochs: [],
    missing: [],
    proof: null,
    grounds: null,
    declaredMs: null,
    concluded: false,
  };
  return { ...state, requests: [...state.requests, request] };
}

export function updateRequest(
  state: FencerState,
  uid: string,
  change: (request: OpenRequest) => OpenRequest,
): FencerState {
  return {
    ...state,
    requests: state.requests.map((request) => (request.uid === uid ? change(request) : request)),
  };
}

/**
 * A consistent GET that began within the device's T granted it; without a cluster everything is
 * granted. A target that lives by a longer T makes no old answer newer.
 */
export function isGranted(state: FencerState, request: OpenRequest, nowMs: number): boolean {
  return (
    state.config.cluster === null ||
    (request.grantedMs !== null && nowMs - request.grantedMs <= state.config.contract.timeoutMs)
  );
}

/** Notes which requests a message speaks for: those it names, and those it was submitted after. */
export function noteEpoch(
  state: FencerState,
  record: FenceRecord,
  submittedMs: number | null,
): FencerState {
  return {
    ...state,
    requests: state.requests.map((request) => {
      const speaksForIt =
        record.requestUID === request.uid ||
        (submittedMs !== null && submittedMs >= request.finalizerMs);
      return speaksForIt && !request.epochs.includes(record.epoch)
        ? { ...request, epochs: [...request.epochs, record.epoch] }
        : request;
    }),
  };
}
