import type { AgentState } from "./agent-state.ts";
import type { Step } from "./step.ts";

/** Until a header was read, nobody knows p. */
const PASS_INTERVAL_MS_BEFORE_HEADER = 500;

/** Starts the next pass when it is due, or wanted since the last one began, and none is under way. */
export function beginPass(state: AgentState, nowMs: number): Step {
  const intervalMs = state.device?.timing.passIntervalMs ?? PASS_INTERVAL_MS_BEFORE_HEADER;
  const due =
    nowMs - state.lastPassStartedMs >= intervalMs || state.lookWantedMs > state.lastPassStartedMs;
  return due && state.pass.kind === "idle" ? startPass(state, nowMs) : { state, effects: [] };
}

/** A pass out of turn: one more heartbeat and one more read than p asks for, and no later one. */
export function lookWanted(state: AgentState, nowMs: number): Step {
  return state.life.kind === "serving"
    ? beginPass({ ...state, lookWantedMs: nowMs }, nowMs)
    : { state, effects: [] };
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
