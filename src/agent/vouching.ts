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
export function vouch(state: AgentState, event: AgentEvent & { readonly type: "api-read" }): Step {
  const { life, device } = state;
  if (
    device === null ||
    event.openRequests !== 0 ||
    !isArmed(state) ||
    (life.kind !== "serving" && life.kind !== "leaving")
  ) {
    return { state, effects: [] };
  }
  const surviving = device.header.onStorageLoss === "SurviveWithApi";
  const knowsLeaving = life.kind === "leaving" && event.leaving && event.startedMs >= life.sinceMs;
  if (knowsLeaving && surviving) {
    return release(state);
  }
  const vouched: AgentState = {
    ...state,
    life: knowsLeaving ? { ...life, known: true } : life,
    vouchedMs: Math.max(state.vouchedMs ?? -Infinity, event.startedMs),
  };
  if (surviving) {
    return pushDeadline(vouched, event.startedMs + device.timing.timeoutMs);
  }
  // What the pass under way meets is not known yet: it may be the end of the storage.
  return state.pass.kind === "idle" ? standInForPass(vouched) : { state: vouched, effects: [] };
}

/** Lets the last vouching read stand in for the last pass, if that failed of what a leader repairs. */
export function standInForPass(state: AgentState): Step {
  const { device, vouchedMs, lastPass } = state;
  return device !== null && vouchedMs !== null && isArmed(state) && lastPass?.trouble?.vouchable
    ? pushDeadline(state, vouchedMs + device.timing.timeoutMs)
    : { state, effects: [] };
}
