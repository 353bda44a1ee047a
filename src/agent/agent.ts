import { sightFences, sightHeartbeats } from "../observation/sightings.ts";
import type { AgentEvent } from "./event.ts";
import {
  considerArming,
  petUnarmedFromMs,
  watchdogFailed,
  watchdogLate,
  watchdogOpened,
  watchdogSeen,
} from "./arming.ts";
import { pushDeadline } from "./deadline.ts";
import type { AgentState } from "./agent-state.ts";
import {
  acknowledgeOverdue,
  afterAcknowledgement,
  latchMarked,
  rebootAgain,
  watchdogNotShortened,
  watchdogShortened,
} from "./latching.ts";
import { proceedLeaving, startLeaving } from "./leaving.ts";
import { newStartAfterFailure } from "./heartbeat.ts";
import { beginPass, lookWanted } from "./pass-schedule.ts";
import { heartbeatWritten, passFailed, passRead } from "./pass.ts";
import { log, refuseToServe, follow, type Step } from "./step.ts";
import { askToVouch, vouchRead } from "./vouching.ts";

/**
 * The agent's verdict: whether its node may live on. Pure: the same code runs in the agent, in tests
 * and in the simulator.
 *
 * Invariants
 * - The deadline is the start of the last good pass + T, or the start of a vouching API read + T,
 *   and nothing else; it never moves backwards.
 * - The watchdog is opened once, after this process's own first good pass, and never when latched.
 * - Latched is for ever: no transition leads out of it, and no deadline is pushed in it.
 * - A latched agent pets on purpose once at most: where it shortens the watchdog that it armed itself,
 *   after its latch record is durable and before it acknowledges.
 * - The watchdog is released only after `leaving` was written and read back and the own fence slot
 *   was read without a message after that.
 * - One pass at a time, and at most one write of ours in flight.
 *
 * @param nowMs this host's unslewed clock
 */
export function stepAgent(state: AgentState, event: AgentEvent, nowMs: number): Step {
  if (state.life.kind === "exited") {
    return { state, effects: [] };
  }
  switch (event.type) {
    case "tick":
      return tick(state, nowMs);
    case "look-wanted":
      return lookWanted(state, nowMs);
    case "pass-read":
      return passRead(state, event, nowMs);
    case "heartbeat-written":
      return follow(
        heartbeatWritten(state, event, nowMs),
        nowMs,
        considerArming,
        proceedLeaving,
        askToVouch,
      );
    case "pass-failed":
      return follow(passFailed(state, event), nowMs, askToVouch);
    case "heartbeats-read":
      return {
        state: { ...state, sightings: sightHeartbeats(state.sightings, event.reading) },
        effects: [],
      };
    case "fences-read":
      return {
        state: { ...state, sightings: sightFences(state.sightings, event.reading) },
        effects: [],
      };
    case "regions-failed":
      return log(state, "debug", `reading the peers failed: ${event.error}`);
    case "disk-worker-replaced":
      return { state: { ...newStartAfterFailure(state), pass: { kind: "idle" } }, effects: [] };
    case "first-read-kept":
      return {
        state:
          state.firstRead.kind === "keeping"
            ? { ...state, firstRead: { kind: "kept", messages: state.firstRead.messages } }
            : state,
        effects: [],
      };
    case "first-read-failed":
      return refuseToServe(
        state,
        `this host's state directory cannot be written (${event.error}). A restarted agent could ` +
          `not know what this boot was told; the node stays unarmed. Make the directory writable`,
      );
    case "watchdog-opened":
      return watchdogOpened(state, event, nowMs);
    case "watchdog-late":
      return watchdogLate(state);
    case "watchdog-failed":
      return watchdogFailed(state, event.error, nowMs);
    case "watchdog-seen":
      return watchdogSeen(state, event.watchdog, nowMs);
    case "watchdog-shortened":
      return watchdogShortened(state, event, nowMs);
    case "watchdog-not-shortened":
      return watchdogNotShortened(state, event, nowMs);
    case "mark-kept":
    case "mark-failed":
      return latchMarked(state, event, nowMs);
    case "acknowledged":
    case "acknowledge-failed":
      return afterAcknowledgement(state, nowMs);
    case "vouch-read":
      return vouchRead(state, event);
    case "terminate":
      return startLeaving(state, nowMs);
  }
}

function tick(state: AgentState, nowMs: number): Step {
  switch (state.life.kind) {
    case "latched":
      return state.life.stage === "rebooting"
        ? rebootAgain(state, nowMs)
        : acknowledgeOverdue(state, nowMs);
    case "serving":
    case "leaving":
      return follow(keepUnarmedAlive(state, nowMs), nowMs, askToVouch, beginPass);
    case "conflict":
    case "exited":
      return { state, effects: [] };
  }
}

/**
 * A watchdog that was ticking before us but cannot back the contract is petted all the same. Where an
 * armed heartbeat of a predecessor may still land over our unarmed ones, that is until T after the
 * last good pass only, as long as the API does not know: a fencer must be able to believe the slot.
 */
function keepUnarmedAlive(state: AgentState, nowMs: number): Step {
  const { device, watchdog } = state;
  if (watchdog.kind !== "open" || watchdog.armed || device === null) {
    return { state, effects: [] };
  }
  return pushDeadline(state, petUnarmedFromMs(state, nowMs) + device.timing.timeoutMs);
}
