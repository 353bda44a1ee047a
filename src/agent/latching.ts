import type { AgentState, Life } from "./agent-state.ts";
import type { LatchMark } from "./effect.ts";
import type { AgentEvent } from "./event.ts";
import { nextHeartbeat } from "./heartbeat.ts";
import type { Step } from "./step.ts";

/** The acknowledgement is a courtesy to the fencer; dying does not wait longer for it. */
const ACKNOWLEDGE_WITHIN_MS_MAX = 1_000;
const REBOOT_AGAIN_AFTER_MS = 1_000;

/**
 * Condemns this boot, in an order in which a death at any point is safe: first nobody pets any more,
 * then the host remembers across a restart of the container, then the fencer is told, then sysrq-b.
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
  if (event.type === "mark-failed" || device === null) {
    return reboot(state, life, nowMs);
  }
  const record = nextHeartbeat(
    state,
    device.timing,
    { leaving: false, fenced: true, acknowledgedEpoch: life.mark.epoch },
    nowMs,
  );
  return {
    state: {
      ...state,
      sequence: record.sequence,
      life: { ...life, stage: "acknowledging", sinceMs: nowMs },
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

/**
 * `systemctl reboot` is reboot(2), and the kernel's reboot notifier stops the watchdog before it
 * shuts devices down (measured: dead disk, reboot(2) at 4 s, W = 10 s, still running at 64 s). So it
 * is taken only where the kernel leaves the watchdog alone, or where none ticks, and only once. One
 * that this process has not armed counts too: the slot may still tell of an armed predecessor.
 */
function reboot(state: AgentState, life: Life & { readonly kind: "latched" }, nowMs: number): Step {
  const { config } = state;
  const first = life.stage !== "rebooting";
  const gentle =
    first &&
    config.rebootMethod === "systemctl-reboot" &&
    (config.watchdogSurvivesReboot || nothingTicks(state));
  return {
    state: { ...state, life: { ...life, stage: "rebooting", sinceMs: nowMs } },
    effects: [{ type: "reboot", method: gentle ? "systemctl-reboot" : "panic" }],
  };
}

function nothingTicks({ watchdog, config }: AgentState): boolean {
  return (
    (watchdog.kind === "closed" || watchdog.kind === "refused") &&
    !(config.watchdog.kind === "present" && config.watchdog.ticking)
  );
}
