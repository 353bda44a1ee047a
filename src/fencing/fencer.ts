import { sightFences, sightHeartbeats, type Sightings } from "../observation/sightings.ts";
import type { FencesReading, HeartbeatsReading } from "../observation/region-reading.ts";
import type { FenceSlot } from "../protocol/fence-record.ts";
import type { NodeReading, RequestReading } from "./authority.ts";
import type { FencerEffect, FencerMoment, FencerStep } from "./fencer-step.ts";
import { fenceCase } from "./fencer-case.ts";
import { unfencableNow } from "./fencer-report.ts";
import type { FencerState, OpenRequest } from "./fencer-state.ts";
import { recordIn } from "../observation/sightings.ts";
import type { WordAlone } from "./judgement.ts";
import { judgeGrounds, type ProofGrounds } from "./proof-record.ts";
import { tendMessage, writeFailed, written } from "./message-writing.ts";
import { askAgain, learnNode, learnRequest } from "./questions.ts";
import { acceptRequest, isGranted, openRequests, updateRequest } from "./requests.ts";

/** A declaration that was not confirmed is made again. */
const DECLARE_AGAIN_AFTER_MS = 1_000;

/** What the shell tells a fencer. */
export type FencerEvent =
  | {
      readonly type: "request";
      readonly uid: string;
      readonly reason: number;
      /** When the finalizer was known to be durable. */
      readonly finalizerMs: number;
    }
  | { readonly type: "withdraw"; readonly uid: string }
  | { readonly type: "heartbeats-read"; readonly reading: HeartbeatsReading }
  | { readonly type: "fences-read"; readonly reading: FencesReading }
  /** What an agent has seen so far, for a fencer that starts late. */
  | { readonly type: "sightings"; readonly sightings: Sightings }
  | { readonly type: "request-read"; readonly uid: string; readonly reading: RequestReading }
  | { readonly type: "node-read"; readonly reading: NodeReading }
  | {
      readonly type: "fence-written";
      readonly nonce: string;
      readonly readBack: FenceSlot;
      /** After the read-back. */
      readonly endedMs: number;
    }
  | { readonly type: "fence-write-failed"; readonly nonce: string; readonly error: string }
  /** The authority recorded the proof. */
  | { readonly type: "declared"; readonly uid: string }
  | { readonly type: "tick" };

/**
 * The fencer: has one target ordered dead and waits for the proof.
 *
 * Invariants
 * - It writes and declares only within T of the start of a consistent GET that grants the request.
 * - A write that was not read back as written is a failure, never a success.
 * - The message is compared at every read; any difference, and any movement of the target later than
 *   a condemned node can live, starts a new epoch, a new write and a new wait.
 * - A proof is a row of the evidence table and nothing else; once found it stays.
 */
export function stepFencer(
  state: FencerState,
  event: FencerEvent,
  moment: FencerMoment,
): FencerStep {
  const told = learn(state, event, moment);
  return pursue(told, moment);
}

function learn(state: FencerState, event: FencerEvent, moment: FencerMoment): FencerState {
  switch (event.type) {
    case "request":
      return acceptRequest(state, event, moment.nowMs);
    case "withdraw":
      return { ...state, requests: state.requests.filter(({ uid }) => uid !== event.uid) };
    case "heartbeats-read":
      return noteUnfencable(
        { ...state, sightings: sightHeartbeats(state.sightings, event.reading) },
        moment.nowMs,
      );
    case "fences-read":
      return { ...state, sightings: sightFences(state.sightings, event.reading) };
    case "sightings":
      return noteUnfencable({ ...state, sightings: event.sightings }, moment.nowMs);
    case "request-read":
      return learnRequest(state, event.uid, event.reading);
    case "node-read":
      return learnNode(state, event.reading);
    case "fence-written":
      return written(state, event, moment.nowMs);
    case "fence-write-failed":
      return writeFailed(state, event, moment.nowMs);
    case "declared":
      return updateRequest(state, event.uid, (request) => ({ ...request, concluded: true }));
    case "tick":
      return state;
  }
}

function noteUnfencable(state: FencerState, nowMs: number): FencerState {
  const unfencable = unfencableNow(state) !== null;
  return { ...state, unfencableSinceMs: unfencable ? (state.unfencableSinceMs ?? nowMs) : null };
}

function pursue(state: FencerState, moment: FencerMoment): FencerStep {
  if (openRequests(state).length === 0) {
    return { state, effects: [] };
  }
  const judged = judgeRequests(state, moment.nowMs);
  const tended = tendMessage(judged, moment);
  const asked = askAgain(tended.state, moment.nowMs);
  const declared = declareProofs(asked.state, moment.nowMs);
  return {
    state: declared.state,
    effects: [...tended.effects, ...asked.effects, ...declared.effects],
  };
}

function judgeRequests(state: FencerState, nowMs: number): FencerState {
  return {
    ...state,
    requests: state.requests.map((request) => {
      if (request.proof !== null) {
        return request;
      }
      const fence = fenceCase(state, request, nowMs);
      const grounds: ProofGrounds =
        fence === null
          ? { kind: "word", word: wordAlone(state, request, nowMs) }
          : { kind: "message", fence };
      const verdict = judgeGrounds(grounds);
      return verdict.kind === "proven"
        ? { ...request, proof: verdict.evidence, grounds, missing: [] }
        : { ...request, missing: verdict.missing };
    }),
  };
}

/**
 * Where no message stands, be it that no boot can be addressed or that nothing can be written, only
 * an administrator's word is left.
 */
function wordAlone(state: FencerState, request: OpenRequest, nowMs: number): WordAlone {
  const { config, node, sightings } = state;
  return {
    cluster: config.cluster,
    node,
    request,
    shown: recordIn(sightings.heartbeats.get(config.target.nodeID)),
    freshFromMs: nowMs - config.contract.timeoutMs,
  };
}

/** A proof is declared by the fencer that is named now, as a fresh GET has shown. */
function declareProofs(state: FencerState, nowMs: number): FencerStep {
  const effects: FencerEffect[] = [];
  const requests = state.requests.map((request): OpenRequest => {
    const due =
      request.proof !== null &&
      !request.concluded &&
      isGranted(state, request, nowMs) &&
      (request.declaredMs === null || nowMs - request.declaredMs >= DECLARE_AGAIN_AFTER_MS);
    if (!due || request.proof === null || request.grounds === null) {
      return request;
    }
    const { uid, proof, grounds } = request;
    effects.push({ type: "declare", uid, evidence: proof, grounds });
    return { ...request, declaredMs: nowMs };
  });
  return { state: { ...state, requests }, effects };
}
