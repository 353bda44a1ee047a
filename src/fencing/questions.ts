import type { NodeReading, RequestReading } from "./authority.ts";
import type { NodeKnowledge } from "./fence-case.ts";
import type { FencerState, OpenRequest } from "./fencer-state.ts";
import type { FencerEffect, FencerStep } from "./fencer-step.ts";
import { openRequests, updateRequest } from "./requests.ts";

const ASK_NODE_AGAIN_AFTER_MS = 1_000;

export function learnRequest(
  state: FencerState,
  uid: string,
  reading: RequestReading,
): FencerState {
  const known = { ...state, recordedEpoch: Math.max(state.recordedEpoch, reading.epoch) };
  return updateRequest(known, uid, (request) =>
    request.answeredMs !== null && reading.startedMs < request.answeredMs
      ? request
      : {
          ...request,
          answeredMs: reading.startedMs,
          grantedMs: reading.granted ? reading.startedMs : null,
          refusal: reading.detail,
          confirmation: reading.confirmation,
          confirmedMs: confirmedSinceMs(request, reading),
          nodeBootID: reading.nodeBootID,
        },
  );
}

function confirmedSinceMs(
  { confirmation: before, confirmedMs }: OpenRequest,
  { confirmation: now, endedMs }: RequestReading,
): number | null {
  if (now === null) {
    return null;
  }
  const isSame =
    before?.requestUID === now.requestUID &&
    before.bootID === now.bootID &&
    before.by === now.by &&
    before.at === now.at;
  return isSame ? confirmedMs : endedMs;
}

export function learnNode(state: FencerState, reading: NodeReading): FencerState {
  const before = state.node;
  const node: NodeKnowledge = {
    nodeUID: before === null ? reading.nodeUID : before.nodeUID,
    last: reading,
    told: new Map(before?.told).set(reading.bootID, {
      firstMs: before?.told.get(reading.bootID)?.firstMs ?? reading.startedMs,
      lastMs: reading.startedMs,
      machineIDs: reading.machineIDs,
    }),
    taintedMs: reading.noExecute ? (before?.taintedMs ?? reading.endedMs) : null,
  };
  return { ...state, node };
}

/** Keeps grants fresh and the Node in sight. */
export function askAgain(state: FencerState, nowMs: number): FencerStep {
  if (state.config.cluster === null) {
    return { state, effects: [] };
  }
  const everyMs = Math.floor(state.config.contract.timeoutMs / 4);
  const effects: FencerEffect[] = [];
  let asked = state;
  for (const { uid, askedMs } of openRequests(state)) {
    if (askedMs === null || nowMs - askedMs >= everyMs) {
      effects.push({ type: "ask-request", uid });
      asked = updateRequest(asked, uid, (request) => ({ ...request, askedMs: nowMs }));
    }
  }
  return followNode(asked, effects, nowMs);
}

/** From its naming on the Node is watched: when it was tainted, and whether another machine's kubelet speaks up. */
function followNode(
  state: FencerState,
  effects: readonly FencerEffect[],
  nowMs: number,
): FencerStep {
  const wanted = state.node === null || state.requests.some(({ proof }) => proof === null);
  const due = state.askedNodeMs === null || nowMs - state.askedNodeMs >= ASK_NODE_AGAIN_AFTER_MS;
  return wanted && due
    ? { state: { ...state, askedNodeMs: nowMs }, effects: [...effects, { type: "ask-node" }] }
    : { state, effects };
}
