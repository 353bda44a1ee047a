import { effectiveWatchdogMs } from "../timing/watchdog-effect.ts";
import type { AgentState, Life } from "./agent-state.ts";
import type { LatchMark } from "./effect.ts";
import type { AgentEvent } from "./event.ts";
import { nextHeartbeat } from "./heartbeat.ts";
import type { Step } from "./step.ts";

type Latched = Life & { readonly kind: "latched" };

/** Longest timeout asked for in place of W; drivers that take none of 1..4 s keep W. */
const SHORTEST_ASKED_SECONDS_MAX = 4;
/** The acknowledgement is a courtesy to the fencer; dying does not wait longer for it. */
const ACKNOWLEDGE_WITHIN_MS_MAX = 1_000;
const REBOOT_AGAIN_AFTER_MS = 1_000;

/**
 * Condemns this boot, in an order in which a death at any point is safe: first nobody pets any more,
 * then the host remembers across a restart of the container, then the watchdog's time is cut short,
 * then the fencer is told, then sysrq-b.
 * After it the process stays and holds the watchdog, which fires if the reboot did not come.
 */
export function latch(state: AgentState, mark: LatchMark, nowMs: number): Step {
  return {
    state: { ...state, life: { kind: "latched", stage: "marking", sinceMs: nowMs, mark } },
    effects: [
      { type: "latch-petter" },
      {
        type: "log",
        level: "fatal",
        message: `a fence message from ${mark.fencer} (epoch ${mark.epoch}) orders this boot dead`,
      },
      { type: "keep-mark", mark },
    ],
  };
}

/** Without the mark a restarted agent could forget, so there is no acknowledgement. */
export function latchMarked(
  state: AgentState,
  event: AgentEvent & { readonly type: "mark-kept" | "mark-failed" },
  nowMs: number,
): Step {
  const { life, device } = state;
  if (life.kind !== "latched" || life.stage !== "marking") {
    return { state, effects: [] };
  }
  return event.type === "mark-failed" || device === null
    ? reboot(state, life, nowMs)
    : shorten(state, { ...life, sinceMs: nowMs }, 1, nowMs);
}

/** What the driver took is in force: petted once, it resets the machine within that time. */
export function watchdogShortened(
  state: AgentState,
  { reportedSeconds }: AgentEvent & { readonly type: "watchdog-shortened" },
  nowMs: number,
): Step {
  const { life, watchdog } = state;
  return life.kind === "latched" && life.stage === "shortening" && watchdog.kind === "open"
    ? acknowledge(state, life, nowMs, effectiveWatchdogMs(reportedSeconds, watchdog.factor))
    : { state, effects: [] };
}

/** Refused, the driver may take a longer one; after any other failure W is what can be relied on. */
export function watchdogNotShortened(
  state: AgentState,
  { refused }: AgentEvent & { readonly type: "watchdog-not-shortened" },
  nowMs: number,
): Step {
  const { life } = state;
  if (life.kind !== "latched" || life.stage !== "shortening") {
    return { state, effects: [] };
  }
  return refused
    ? shorten(state, life, life.askedSeconds + 1, nowMs)
    : acknowledge(state, life, nowMs);
}

/**
 * The watchdog need not take W any more: this boot is to die. It is set to the shortest timeout that
 * its driver takes, found by asking upwards, for a timeout that is refused pets nothing.
 *
 * Setting pets, and this process may be stopped right before it until just before the watchdog fires,
 * a W after the last keepalive. So W' is at most half of W: then the machine is dead within 2W of that
 * keepalive all the same, and the fencer's bound stands. From the deadline on nothing is touched.
 *
 * Only the process that latched and armed gets here: a restarted one opens nothing. A reboot in order
 * needs the time that the watchdog leaves it.
 */
function shorten(state: AgentState, life: Latched, askedSeconds: number, nowMs: number): Step {
  const { watchdog, deadlineMs } = state;
  if (
    watchdog.kind !== "open" ||
    !watchdog.armed ||
    watchdog.effectiveMs === null ||
    deadlineMs === null ||
    askedSeconds > SHORTEST_ASKED_SECONDS_MAX ||
    2 * effectiveWatchdogMs(askedSeconds, watchdog.factor) > watchdog.effectiveMs ||
    rebootsInOrder(state, life)
  ) {
    return acknowledge(state, life, nowMs);
  }
  const { mark, sinceMs } = life;
  return {
    state: {
      ...state,
      life: { kind: "latched", stage: "shortening", askedSeconds, sinceMs, mark },
    },
    effects: [{ type: "shorten-watchdog", timeoutSeconds: askedSeconds, notAfterMs: deadlineMs }],
  };
}

/** @param watchdogMs the effective timeout in force, where it is not W any more */
function acknowledge(
  state: AgentState,
  { mark }: Latched,
  nowMs: number,
  watchdogMs?: number,
): Step {
  const { device } = state;
  if (device === null) {
    throw new Error("A boot is condemned by a device that was read");
  }
  const record = nextHeartbeat(
    state,
    { ...device.timing, watchdogMs: watchdogMs ?? device.timing.watchdogMs },
    { leaving: false, fenced: true, acknowledgedEpoch: mark.epoch },
    nowMs,
  );
  return {
    state: {
      ...state,
      sequence: record.sequence,
      life: { kind: "latched", stage: "acknowledging", sinceMs: nowMs, mark },
    },
    effects: [{ type: "acknowledge", record }],
  };
}

/** The fencer knows, or will have to do without. */
export function afterAcknowledgement(state: AgentState, nowMs: number): Step {
  const { life } = state;
  return life.kind === "latched" && life.stage === "acknowledging"
    ? reboot(state, life, nowMs)
    : { state, effects: [] };
}

/** The host or the storage does not answer: die unacknowledged. */
export function acknowledgeOverdue(state: AgentState, nowMs: number): Step {
  const { life } = state;
  return life.kind === "latched" && nowMs - life.sinceMs >= ACKNOWLEDGE_WITHIN_MS_MAX
    ? reboot(state, life, nowMs)
    : { state, effects: [] };
}

export function rebootAgain(state: AgentState, nowMs: number): Step {
  const { life } = state;
  return life.kind === "latched" && nowMs - life.sinceMs >= REBOOT_AGAIN_AFTER_MS
    ? reboot(state, life, nowMs)
    : { state, effects: [] };
}

function reboot(state: AgentState, life: Latched, nowMs: number): Step {
  const method = rebootsInOrder(state, life) ? "systemctl-reboot" : "panic";
  return {
    state: {
      ...state,
      life: { kind: "latched", stage: "rebooting", sinceMs: nowMs, mark: life.mark },
    },
    effects: [{ type: "reboot", method }],
  };
}

/**
 * `systemctl reboot` is reboot(2), and the kernel's reboot notifier stops the watchdog before it
 * shuts devices down (measured: dead disk, reboot(2) at 4 s, W = 10 s, still running at 64 s). So it
 * is taken only where the kernel leaves the watchdog alone, or where none ticks, and only once. One
 * that this process has not armed counts too: the slot may still tell of an armed predecessor.
 */
function rebootsInOrder(state: AgentState, { stage }: Latched): boolean {
  const { rebootMethod, watchdogSurvivesReboot } = state.config;
  return (
    stage !== "rebooting" &&
    rebootMethod === "systemctl-reboot" &&
    (watchdogSurvivesReboot || nothingTicks(state))
  );
}

function nothingTicks({ watchdog, config }: AgentState): boolean {
  return (
    (watchdog.kind === "closed" || watchdog.kind === "refused") &&
    !(config.watchdog.kind === "present" && config.watchdog.ticking)
  );
}
