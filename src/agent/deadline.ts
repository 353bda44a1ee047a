import type { AgentState } from "./agent-state.ts";
import type { Step } from "./step.ts";

/** Lets the node live until `deadlineMs`; the deadline never moves backwards. */
export function pushDeadline(state: AgentState, toMs: number): Step {
  const deadlineMs = Math.max(state.deadlineMs ?? -Infinity, toMs);
  return { state: { ...state, deadlineMs }, effects: [{ type: "push-deadline", deadlineMs }] };
}
