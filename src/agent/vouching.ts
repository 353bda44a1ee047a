import { isArmed, type AgentState } from "./agent-state.ts";
import { pushDeadline } from "./deadline.ts";
import type { AgentEvent } from "./event.ts";
import { release } from "./leaving.ts";
import type { Step } from "./step.ts";

/**
 * A consistent read of the API that shows no open request against this node stands in for a good
 * pass, sound because finalizer and request precede the message. The deadline is then the **start of
 * that read** + T. Under `SurviveWithApi` it may stand in for any pass; in both modes for one that
 * failed only because the own fence slot or the header is unreadable.
 */
export function vouch(before: AgentState, event: ApiRead): Step {
  const { life, device } = before;
  if (device === null || (life.kind !== "serving" && life.kind !== "leaving")) {
    return { state: before, effects: [] };
  }
  const state = learnWhatIsKnown(before, event);
  if (event.openRequests !== 0) {
    return { state, effects: [] };
  }
  const surviving = device.header.onStorageLoss === "SurviveWithApi";
  if (surviving && state.life.kind === "leaving" && state.life.known) {
    return release(state);
  }
  if (!isArmed(state)) {
    return { state, effects: [] };
  }
  const vouched: AgentState = {
    ...state,
    vouchedMs: Math.max(state.vouchedMs ?? -Infinity, event.startedMs),
  };
  if (surviving) {
    return pushDeadline(vouched, event.startedMs + device.timing.timeoutMs);
  }
  // What the pass under way meets is not known yet: it may be the end of the storage.
  return state.pass.kind === "idle" ? standInForPass(vouched) : { state: vouched, effects: [] };
}

type ApiRead = AgentEvent & { readonly type: "api-read" };

/** The own SBDNode was patched before the read: whoever reads it now knows the same. */
function learnWhatIsKnown(state: AgentState, event: ApiRead): AgentState {
  const { life } = state;
  const knowsLeaving = life.kind === "leaving" && event.leaving && event.startedMs >= life.sinceMs;
  return {
    ...state,
    life: knowsLeaving ? { ...life, known: true } : life,
    knownUnarmed: !event.armed && !isArmed(state),
  };
}

/** Lets the last vouching read stand in for the last pass, if that failed of what can be repaired. */
export function standInForPass(state: AgentState): Step {
  const { device, vouchedMs, lastPass } = state;
  return device !== null && vouchedMs !== null && isArmed(state) && lastPass?.trouble?.vouchable
    ? pushDeadline(state, vouchedMs + device.timing.timeoutMs)
    : { state, effects: [] };
}
