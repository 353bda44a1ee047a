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
  const known: AgentState = knowsLeaving ? { ...state, life: { ...life, known: true } } : state;
  const repairable = state.lastPass?.trouble?.vouchable === true && state.pass.kind === "idle";
  return surviving || repairable
    ? pushDeadline(known, event.startedMs + device.timing.timeoutMs)
    : { state: known, effects: [] };
}
