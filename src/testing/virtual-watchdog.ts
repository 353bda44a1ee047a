/**
 * A kernel watchdog as a pure state machine: what of open, write, SETTIMEOUT and close pets it,
 * what stops it, when it fires. By drivers/watchdog/watchdog_dev.c of Linux 6.12:
 *
 * - open starts an inactive watchdog, which counts as a pet; opening a ticking one pets nothing;
 * - every write pets, also one with the magic 'V'; a later write without 'V' cancels it;
 * - SETTIMEOUT pets; a refused one does not;
 * - close, also by the holder's death, stops it after 'V' or where the driver has no magic close,
 *   unless nowayout; else it pets it, and it goes on ticking.
 *
 * Not modelled: a watchdog that firmware started and the kernel feeds, pretimeouts, the driver's own
 * rounding of timeouts.
 */
import assert from "node:assert/strict";

export type WatchdogModel = {
  readonly nowayout: boolean;
  readonly magicClose: boolean;
  /** Timeout after power-on, until SETTIMEOUT. */
  readonly timeoutSeconds: number;
  /** It fires after this many timeouts: 1, or 2 like iTCO_wdt; Infinity for one that never does. */
  readonly timeoutFactor: number;
  /** It fires this much later than it should. */
  readonly toleranceMs: number;
};

export type WatchdogState = {
  readonly active: boolean;
  readonly open: boolean;
  readonly timeoutSeconds: number;
  /** Start of the time that runs; of no meaning while not active. */
  readonly lastPetMs: number;
  /** 'V' was the last thing written. */
  readonly releasing: boolean;
};

/**
 * What its holder does. `exact`: `tMs` is when it was done, not when the model heard of it; only
 * then can it come too late.
 */
export type WatchdogEvent = {
  readonly kind: "open" | "pet" | "magic" | "set" | "close";
  readonly tMs: number;
  readonly exact: boolean;
  /** The new timeout, of `set` alone. */
  readonly timeoutSeconds?: number;
};

/** `fired`: the event came after the watchdog had fired, and the state is the old one. */
export type WatchdogStep =
  | { readonly fired: false; readonly state: WatchdogState; readonly pets: boolean }
  | { readonly fired: true; readonly state: WatchdogState };

/** As after power-on. */
export function initialWatchdogState(model: WatchdogModel): WatchdogState {
  return {
    active: false,
    open: false,
    timeoutSeconds: model.timeoutSeconds,
    lastPetMs: 0,
    releasing: false,
  };
}

/** When it fires if nothing more happens; Infinity when it does not. */
export function firesAtMs(model: WatchdogModel, state: WatchdogState): number {
  if (!state.active) return Infinity;
  return state.lastPetMs + state.timeoutSeconds * 1000 * model.timeoutFactor + model.toleranceMs;
}

export function stepWatchdog(
  model: WatchdogModel,
  state: WatchdogState,
  event: WatchdogEvent,
): WatchdogStep {
  if (event.exact && event.tMs >= firesAtMs(model, state)) return { fired: true, state };
  switch (event.kind) {
    case "open": {
      // A holder that died while nobody looked: its close comes first.
      const before = state.open ? closed(model, state, event.tMs) : state;
      if (before.active) return { fired: false, pets: false, state: { ...before, open: true } };
      return petted({ ...before, active: true, open: true, releasing: false }, event.tMs);
    }
    case "pet":
      return petted({ ...held(state), releasing: false }, event.tMs);
    case "magic":
      return petted({ ...held(state), releasing: true }, event.tMs);
    case "set": {
      assert(event.timeoutSeconds !== undefined, "A timeout is set to nothing");
      return petted({ ...held(state), timeoutSeconds: event.timeoutSeconds }, event.tMs);
    }
    case "close": {
      if (!state.open) return { fired: false, pets: false, state };
      const after = closed(model, state, event.tMs);
      return { fired: false, pets: after.active, state: after };
    }
    default:
      throw new Error(`A watchdog knows no '${String(event.kind satisfies never)}'`);
  }
}

/** A holder without the interposer announces nothing: its first byte tells that it opened. */
function held(state: WatchdogState): WatchdogState {
  return { ...state, open: true, active: true };
}

function petted(state: WatchdogState, tMs: number): WatchdogStep {
  return { fired: false, pets: true, state: { ...state, lastPetMs: tMs } };
}

function closed(model: WatchdogModel, state: WatchdogState, tMs: number): WatchdogState {
  const stops = !model.nowayout && (state.releasing || !model.magicClose);
  if (stops) return { ...state, active: false, open: false, releasing: false };
  return { ...state, open: false, releasing: false, lastPetMs: tMs };
}
