import type { AgentState } from "./agent-state.ts";
import type { AgentEffect } from "./effect.ts";
import type { AgentEvent } from "./event.ts";
import { holdsLastWritten } from "./own-slot.ts";
import { startPass } from "./pass-schedule.ts";
import type { Step } from "./step.ts";

/**
 * SIGTERM. A node whose last record says armed must not run on disarmed, so the watchdog is released
 * only after `leaving` was written, read back, and the own fence slot was read without a message
 * *after* that: either the fencer sees `leaving`, or this agent sees the message.
 *
 * An earlier armed heartbeat of this boot whose write failed may still land *over* `leaving`, and
 * then the slot tells of an armed, silent boot. Where there is one, the API must know as well.
 *
 * While the storage does not answer, the agent keeps trying until its deadline.
 */
export function startLeaving(state: AgentState, nowMs: number): Step {
  const holdsNothing = state.watchdog.kind === "closed" || state.watchdog.kind === "refused";
  if (holdsNothing && (state.life.kind === "serving" || state.life.kind === "conflict")) {
    return exitInOrder(state, []);
  }
  if (state.life.kind !== "serving") {
    return { state, effects: [] };
  }
  const leaving: AgentState = {
    ...state,
    life: { kind: "leaving", stage: "write", sinceMs: nowMs, known: false },
  };
  return leaving.pass.kind === "idle" ? startPass(leaving, nowMs) : { state: leaving, effects: [] };
}

/** After a heartbeat with `leaving` was written, reads everything once more. */
export function proceedLeaving(state: AgentState, nowMs: number): Step {
  const { life } = state;
  if (
    life.kind !== "leaving" ||
    life.stage !== "write" ||
    state.pass.kind !== "idle" ||
    state.lastWritten?.leaving !== true ||
    state.watchdog.kind === "opening"
  ) {
    return { state, effects: [] };
  }
  return startPass({ ...state, life: { ...life, stage: "verify" } }, nowMs);
}

/**
 * Judges that second read: released, or from the start again.
 *
 * @param free the own fence slot was read, on our device, and holds no message to this boot
 */
export function verifyLeaving(
  state: AgentState,
  event: AgentEvent & { readonly type: "pass-read" },
  free: boolean,
): Step {
  const { life } = state;
  if (life.kind !== "leaving") {
    throw new Error("Only a leaving agent verifies that it may leave");
  }
  const written = state.lastWritten?.leaving === true && holdsLastWritten(state, event.heartbeat);
  return free && written && (!state.unconfirmedWrite || life.known)
    ? release(state)
    : {
        state: { ...state, pass: { kind: "idle" }, life: { ...life, stage: "write" } },
        effects: [],
      };
}

/** Releases the watchdog: the last thing this process does for the node. */
export function release(state: AgentState): Step {
  const { watchdog } = state.config;
  const nowayout = watchdog.kind === "present" && watchdog.facts.nowayout;
  return exitInOrder({ ...state, watchdog: { kind: "released" } }, [
    { type: nowayout ? "stretch-watchdog" : "release-watchdog" },
  ]);
}

/** Nothing of the node depends on this process any more. */
export function exitInOrder(state: AgentState, effects: readonly AgentEffect[]): Step {
  return {
    state: { ...state, life: { kind: "exited", code: 0 } },
    effects: [...effects, { type: "exit", code: 0 }],
  };
}
