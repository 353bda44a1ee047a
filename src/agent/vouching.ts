import { isArmed, type AgentState, type VouchQuestion } from "./agent-state.ts";
import { pushDeadline } from "./deadline.ts";
import type { AgentEvent } from "./event.ts";
import { release } from "./leaving.ts";
import type { Step } from "./step.ts";

/** While an answer can be of use, a question is asked so often within T. */
const QUESTIONS_WITHIN_T = 6;
const ASK_EVERY_MS_MAX = 5_000;
/** What the API process has not answered by then it has given up. */
const QUESTIONS_MAX = 16;

/**
 * Asks the API to vouch, where an answer can be of use: each costs the API server a write and a
 * consistent list. Questions follow each other without waiting for answers, each has an ID, and none
 * is dropped because another was answered: a slow API answers each of them late, and still in time.
 * How slow it may be: docs/safety.md, "A slow API".
 */
export function askToVouch(state: AgentState, nowMs: number): Step {
  const { device, vouchQuestions } = state;
  if (device === null || !canUseVouch(state, nowMs)) {
    return { state, effects: [] };
  }
  const { timeoutMs } = device.timing;
  const everyMs = Math.min(ASK_EVERY_MS_MAX, timeoutMs / QUESTIONS_WITHIN_T);
  if (nowMs - state.vouchAskedMs < everyMs) {
    return { state, effects: [] };
  }
  const question: VouchQuestion = {
    id: state.vouchesAsked + 1,
    startedMs: nowMs,
    leaving: state.life.kind === "leaving",
    armed: isArmed(state),
  };
  // A read that began T ago vouches for nothing any more.
  const open = vouchQuestions.filter(({ startedMs }) => nowMs - startedMs < timeoutMs);
  const { id, leaving, armed } = question;
  return {
    state: {
      ...state,
      vouchesAsked: id,
      vouchAskedMs: nowMs,
      vouchQuestions: [...open, question].slice(-QUESTIONS_MAX),
    },
    effects: [{ type: "ask-vouch", id, leaving, armed }],
  };
}

/** A vouching read may stand in for passes that do not come, or let a leaving agent go. */
function canUseVouch(state: AgentState, nowMs: number): boolean {
  const { device, life, lastPass, watchdog } = state;
  if (device === null || watchdog.kind !== "open") {
    return false;
  }
  if (life.kind === "leaving" || (!watchdog.armed && !state.knownUnarmed)) {
    return true;
  }
  const trouble = lastPass?.trouble ?? null;
  const survives = device.header.onStorageLoss === "SurviveWithApi";
  return (
    life.kind === "serving" &&
    (trouble?.vouchable === true || (survives && (trouble !== null || isPassLate(state, nowMs))))
  );
}

/** The pass under way should have ended by now. */
function isPassLate({ pass, device }: AgentState, nowMs: number): boolean {
  return (
    pass.kind !== "idle" &&
    device !== null &&
    nowMs - pass.startedMs >= device.timing.passIntervalMs
  );
}

/**
 * Takes an answer to a question that is open. It closes the older ones too, which can say nothing
 * newer, and no younger one.
 */
export function vouchRead(state: AgentState, { id, openRequests }: VouchRead): Step {
  const question = state.vouchQuestions.find((open) => open.id === id);
  const vouchQuestions = state.vouchQuestions.filter((open) => open.id > id);
  return question === undefined
    ? { state, effects: [] }
    : vouch({ ...state, vouchQuestions }, question, openRequests);
}

type VouchRead = AgentEvent & { readonly type: "vouch-read" };

/**
 * A consistent read of the API that shows no open request against this node stands in for a good
 * pass, sound because finalizer and request precede the message. The deadline is then the **start of
 * that read** + T. Under `SurviveWithApi` it may stand in for any pass; in both modes for one that
 * failed only because the own fence slot or the header is unreadable.
 */
function vouch(before: AgentState, question: VouchQuestion, openRequests: number): Step {
  const { life, device } = before;
  if (device === null || (life.kind !== "serving" && life.kind !== "leaving")) {
    return { state: before, effects: [] };
  }
  const state = learnWhatIsKnown(before, question);
  if (openRequests !== 0) {
    return { state, effects: [] };
  }
  const { startedMs } = question;
  const surviving = device.header.onStorageLoss === "SurviveWithApi";
  if (surviving && state.life.kind === "leaving" && state.life.known) {
    return release(state);
  }
  if (!isArmed(state)) {
    return { state, effects: [] };
  }
  const vouched: AgentState = {
    ...state,
    vouchedMs: Math.max(state.vouchedMs ?? -Infinity, startedMs),
  };
  if (surviving) {
    return pushDeadline(vouched, startedMs + device.timing.timeoutMs);
  }
  // What the pass under way meets is not known yet: it may be the end of the storage.
  return state.pass.kind === "idle" ? standInForPass(vouched) : { state: vouched, effects: [] };
}

/** The own SBDNode was patched before the read: an operator that reads it now knows the same. */
function learnWhatIsKnown(
  state: AgentState,
  { leaving, armed, startedMs }: VouchQuestion,
): AgentState {
  const { life } = state;
  const knowsLeaving = life.kind === "leaving" && leaving && startedMs >= life.sinceMs;
  return {
    ...state,
    life: knowsLeaving ? { ...life, known: true } : life,
    knownUnarmed: !armed && !isArmed(state),
  };
}

/** Lets the last vouching read stand in for the last pass, if that failed of what can be repaired. */
export function standInForPass(state: AgentState): Step {
  const { device, vouchedMs, lastPass } = state;
  return device !== null && vouchedMs !== null && isArmed(state) && lastPass?.trouble?.vouchable
    ? pushDeadline(state, vouchedMs + device.timing.timeoutMs)
    : { state, effects: [] };
}
