import type { AgentState } from "./agent-state.ts";
import type { Step } from "./step.ts";

/** Until a header was read, nobody knows p. */
const PASS_INTERVAL_MS_BEFORE_HEADER = 500;

/** Starts the next pass when it is due and none is under way. */
export function beginPass(state: AgentState, nowMs: number): Step {
  const intervalMs = state.device?.timing.passIntervalMs ?? PASS_INTERVAL_MS_BEFORE_HEADER;
  const due = state.pass.kind === "idle" && nowMs - state.lastPassStartedMs >= intervalMs;
  return due ? startPass(state, nowMs) : { state, effects: [] };
}

/** Starts a pass now. Its age counts from here, not from its end. */
export function startPass(state: AgentState, nowMs: number): Step {
  const pass = state.passes + 1;
  return {
    state: {
      ...state,
      passes: pass,
      lastPassStartedMs: nowMs,
      pass: { kind: "reading", pass, startedMs: nowMs },
    },
    effects: [{ type: "read-pass", pass }],
  };
}
