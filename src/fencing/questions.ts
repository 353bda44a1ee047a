import type { NodeReading, RequestReading } from "./authority.ts";
import { TAINT_STANDS_MS } from "./bounded.ts";
import type { NodeKnowledge } from "./fence-case.ts";
import { targetTiming } from "./fencer-case.ts";
import type { FencerState } from "./fencer-state.ts";
import type { FencerEffect, FencerStep } from "./fencer-step.ts";
import { openRequests, updateRequest } from "./requests.ts";

/** How long before M the taint is raised, beyond the time it has to stand. */
const TAINT_LEAD_MS = 2_000;
const RAISE_TAINT_AGAIN_AFTER_MS = 5_000;
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
          confirmation: reading.confirmation ?? request.confirmation,
        },
  );
}

export function learnNode(state: FencerState, reading: NodeReading): FencerState {
  const before = state.node;
  const node: NodeKnowledge = {
    nodeUID: before === null ? reading.nodeUID : before.nodeUID,
    last: reading,
    taintedMs: reading.noExecute ? (before?.taintedMs ?? reading.endedMs) : null,
  };
  return { ...state, node };
}

/** Keeps grants fresh, and before M has the Node read and its taint raised. */
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

function followNode(
  state: FencerState,
  effects: readonly FencerEffect[],
  nowMs: number,
): FencerStep {
  const wanted =
    state.message.kind === "standing" &&
    state.requests.some(({ proof }) => proof === null) &&
    nowMs >= taintFromMs(state, state.message.durableMs);
  const askNode =
    state.askedNodeMs === null ||
    ((wanted || state.node === null || awaitsWord(state)) &&
      nowMs - state.askedNodeMs >= ASK_NODE_AGAIN_AFTER_MS);
  const raiseTaint =
    wanted &&
    state.node?.last.noExecute !== true &&
    (state.raisedTaintMs === null || nowMs - state.raisedTaintMs >= RAISE_TAINT_AGAIN_AFTER_MS);
  return {
    state: {
      ...state,
      askedNodeMs: askNode ? nowMs : state.askedNodeMs,
      raisedTaintMs: raiseTaint ? nowMs : state.raisedTaintMs,
    },
    effects: [
      ...effects,
      ...(raiseTaint ? [{ type: "raise-taint" } as const] : []),
      ...(askNode ? [{ type: "ask-node" } as const] : []),
    ],
  };
}

/** An administrator has spoken, and without a message only the Node tells of which boot. */
function awaitsWord({ message, requests }: FencerState): boolean {
  return (
    message.kind !== "standing" &&
    requests.some(({ proof, confirmation }) => proof === null && confirmation !== null)
  );
}

/** So early that the taint has stood long enough when M has passed. */
function taintFromMs(state: FencerState, durableMs: number): number {
  const { msgwaitMs } = targetTiming(state);
  return durableMs + Math.max(0, msgwaitMs - TAINT_STANDS_MS - TAINT_LEAD_MS);
}
