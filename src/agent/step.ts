import type { AgentState } from "./agent-state.ts";
import type { LogLevel } from "../program/log-level.ts";
import type { AgentEffect } from "./effect.ts";

/** What became of the state, and what the shell is to do, in order. */
export type Step = { readonly state: AgentState; readonly effects: readonly AgentEffect[] };

/** Lets further decisions follow one step, each on the state the one before left. */
export function follow(
  step: Step,
  nowMs: number,
  ...decisions: readonly ((state: AgentState, nowMs: number) => Step)[]
): Step {
  return decisions.reduce<Step>((before, decide) => {
    const after = decide(before.state, nowMs);
    return { state: after.state, effects: [...before.effects, ...after.effects] };
  }, step);
}

export function log(state: AgentState, level: LogLevel, message: string): Step {
  return { state, effects: [{ type: "log", level, message }] };
}

/** This process cannot protect its node: it says why and ends, unarmed. */
export function refuseToServe(state: AgentState, message: string): Step {
  return {
    state: { ...state, life: { kind: "exited", code: 1 } },
    effects: [
      { type: "log", level: "fatal", message },
      { type: "exit", code: 1 },
    ],
  };
}
