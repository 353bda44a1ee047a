import type { Timing } from "../timing/contract.ts";
import {
  effectiveWatchdogMs,
  judgeWatchdog,
  whyWatchdogTooSlow,
} from "../timing/watchdog-effect.ts";
import type { AgentConfig, WatchdogInspection } from "./agent-config.ts";
import type { AgentState } from "./agent-state.ts";
import type { AgentEvent } from "./event.ts";
import { exitInOrder } from "./leaving.ts";
import { log, refuseToServe, type Step } from "./step.ts";

/** From this many on, an agent that keeps dying must show that it can live before it arms. */
const UNCLEAN_STARTS_MAX = 3;
/** A watchdog that is absent, busy or refused is looked at again so often: a driver may be loaded later. */
const LOOK_AGAIN_MS = 30_000;

/**
 * Opens the watchdog once this process has had a good pass of its own, and never before: opening
 * and setting pet, so a crash loop that opened first would keep a node alive without a device
 * (measured: 64 s at W = 10 s, until the loop stopped).
 *
 * A good pass whose deadline has passed already vouches for nothing: opening on it would pet a
 * predecessor's watchdog once more than T + 2W has room for.
 *
 * One that is not there, cannot be opened or cannot back the contract is looked at again: nothing of that
 * pets. Once open, it is not opened again by this process.
 *
 * A watchdog that somebody else has started is taken over even where it cannot back the contract:
 * unpetted, it would reset a healthy node.
 */
export function considerArming(state: AgentState, nowMs: number): Step {
  const { config, device } = state;
  const isClosed = state.watchdog.kind === "closed";
  if (
    !(isClosed || mayLookAgain(state, nowMs)) ||
    state.life.kind !== "serving" ||
    state.lastGood === null ||
    state.firstRead.kind !== "kept" ||
    device === null ||
    nowMs >= state.lastGood.startedMs + device.timing.timeoutMs
  ) {
    return { state, effects: [] };
  }
  if (!isClosed) {
    return { state, effects: [{ type: "look-at-watchdog" }] };
  }
  const { watchdog } = config;
  if (watchdog.kind === "absent") {
    return refuse(
      state,
      `no watchdog at ${watchdog.path}: ${sentence(watchdog.detail)} The node runs unarmed and cannot be ` +
        `fenced; load a watchdog driver, and this agent takes it`,
      nowMs + LOOK_AGAIN_MS,
    );
  }
  const judgement = judgeWatchdog(watchdog.facts, device.timing, {
    acceptUnverified: config.acceptUnverifiedWatchdogs,
  });
  const canArm = judgement.kind === "usable" && !config.detectOnly;
  if (!canArm && !watchdog.ticking) {
    return refuse(
      state,
      judgement.kind === "refused"
        ? judgement.message
        : "detectOnly is set: this node is never armed and cannot be fenced",
      config.detectOnly ? null : nowMs + LOOK_AGAIN_MS,
    );
  }
  if (!watchdog.ticking && isCrashLooping(state, nowMs)) {
    return { state, effects: [] };
  }
  const timeoutSeconds =
    judgement.kind === "usable"
      ? judgement.timeoutSeconds
      : Math.floor(device.timing.watchdogMs / 1_000);
  const factor = judgement.kind === "usable" ? judgement.factor : 1;
  return {
    state: { ...state, watchdog: { kind: "opening", canArm, factor } },
    effects: [
      {
        type: "open-watchdog",
        timeoutSeconds,
        notAfterMs: state.lastGood.startedMs + device.timing.timeoutMs,
      },
    ],
  };
}

/** The watchdog is open and set: arm if what the driver reports back is within the contract. */
export function watchdogOpened(
  state: AgentState,
  event: AgentEvent & { readonly type: "watchdog-opened" },
  nowMs: number,
): Step {
  const { watchdog, device, config } = state;
  if (watchdog.kind !== "opening" || device === null || state.lastGood === null) {
    return { state, effects: [] };
  }
  const { reportedSeconds } = event;
  const { timing } = device;
  const whyNot =
    whyUnable(config, event.options, timing) ??
    (reportedSeconds === null
      ? "the watchdog does not say what timeout it runs with. The node runs unarmed"
      : whyWatchdogTooSlow(reportedSeconds, watchdog.factor, timing));
  const armed = watchdog.canArm && whyNot === null;
  const open: AgentState = {
    ...state,
    watchdog: {
      kind: "open",
      armed,
      factor: watchdog.factor,
      effectiveMs:
        reportedSeconds === null ? null : effectiveWatchdogMs(reportedSeconds, watchdog.factor),
    },
  };
  if (state.life.kind === "latched" || state.life.kind === "conflict") {
    // Condemned while it was being opened: hold it, pet it never.
    return { state: open, effects: [] };
  }
  if (!armed && !mustBePetted(config)) {
    const message = whyNot ?? "the watchdog cannot be armed";
    const refused = refuse(state, message, null);
    return { state: refused.state, effects: [{ type: "release-watchdog" }, ...refused.effects] };
  }
  const fromMs = armed ? state.lastGood.startedMs : petUnarmedFromMs(state, nowMs);
  const deadlineMs = fromMs + timing.timeoutMs;
  if (nowMs >= deadlineMs) {
    return openedTooLate(open);
  }
  const reportedMs = (reportedSeconds ?? Infinity) * 1_000;
  return {
    state: { ...open, deadlineMs },
    effects: [
      {
        type: "start-petter",
        periodMs: Math.min(timing.petIntervalMs, Math.floor(reportedMs / 4)),
        deadlineMs,
        selfFence: armed,
      },
      {
        type: "log",
        level: armed ? "info" : "error",
        message: armed
          ? `armed: the watchdog runs with ${reportedSeconds} s`
          : `petting a watchdog that would else reset the node, unarmed: ` +
            (whyNot ?? (config.detectOnly ? "detectOnly is set" : "its driver is refused")),
      },
    ],
  };
}

/** From when on an unarmed agent lets a watchdog that was ticking before it live for T more. */
export function petUnarmedFromMs(state: AgentState, nowMs: number): number {
  const believable = !state.unconfirmedWrite || state.knownUnarmed;
  return believable ? nowMs : (state.lastGood?.startedMs ?? -Infinity);
}

/** What the opened driver says of itself outranks what sysfs did not show. */
function whyUnable(
  { watchdog, acceptUnverifiedWatchdogs }: AgentConfig,
  options: number | null,
  timing: Timing,
): string | null {
  if (watchdog.kind === "absent") {
    return watchdog.detail;
  }
  const facts = { ...watchdog.facts, options: options ?? watchdog.facts.options ?? 0 };
  const judgement = judgeWatchdog(facts, timing, { acceptUnverified: acceptUnverifiedWatchdogs });
  return judgement.kind === "refused" ? judgement.message : null;
}

/**
 * The storage was lost while the watchdog was being opened. Nothing on the device says armed by this
 * process, so a watchdog that can be stopped is; one that cannot is held, and resets the node as it
 * would have without us.
 */
function openedTooLate(state: AgentState): Step {
  const message =
    "the last good pass was too long ago when the watchdog had been opened, so it is not petted. " +
    "Once the device can be read again, a new process arms";
  const ended = refuseToServe(state, message);
  return mustBePetted(state.config)
    ? log(state, "fatal", message)
    : { state: ended.state, effects: [{ type: "release-watchdog" }, ...ended.effects] };
}

/** Nothing was opened: the next good pass decides anew. */
export function watchdogLate(state: AgentState): Step {
  return state.watchdog.kind === "opening"
    ? { state: { ...state, watchdog: { kind: "closed" } }, effects: [] }
    : { state, effects: [] };
}

export function watchdogFailed(state: AgentState, error: string, nowMs: number): Step {
  return refuse(
    state,
    `the watchdog cannot be opened: ${sentence(error)} The node runs unarmed and cannot be fenced until ` +
      `it can; this agent tries again`,
    nowMs + LOOK_AGAIN_MS,
  );
}

/** It was looked at again, and nothing was opened: it is judged anew. */
export function watchdogSeen(state: AgentState, watchdog: WatchdogInspection, nowMs: number): Step {
  if (!mayLookAgain(state, nowMs)) return { state, effects: [] };
  const config = { ...state.config, watchdog };
  return considerArming({ ...state, config, watchdog: { kind: "closed" } }, nowMs);
}

function mayLookAgain({ watchdog }: AgentState, nowMs: number): boolean {
  return (
    watchdog.kind === "refused" && watchdog.lookAgainMs !== null && nowMs >= watchdog.lookAgainMs
  );
}

function sentence(text: string): string {
  return text.endsWith(".") ? text : `${text}.`;
}

/** It ticks for somebody else, or cannot be stopped any more: unpetted, it resets a healthy node. */
function mustBePetted({ watchdog }: AgentConfig): boolean {
  return watchdog.kind === "present" && (watchdog.ticking || watchdog.facts.nowayout);
}

function isCrashLooping(state: AgentState, nowMs: number): boolean {
  return (
    state.config.memory.uncleanStarts >= UNCLEAN_STARTS_MAX &&
    (state.goodSinceMs === null ||
      state.device === null ||
      nowMs - state.goodSinceMs < state.device.timing.timeoutMs)
  );
}

function refuse(state: AgentState, message: string, lookAgainMs: number | null): Step {
  const refused: AgentState = {
    ...state,
    watchdog: { kind: "refused", message, lookAgainMs },
    refusalTold: message,
  };
  const effects = message === state.refusalTold ? [] : log(refused, "error", message).effects;
  return state.life.kind === "leaving"
    ? exitInOrder(refused, effects)
    : { state: refused, effects };
}
