import { isArmed, type AgentState, type PassOutcome, type Trouble } from "./agent-state.ts";
import { pushDeadline } from "./deadline.ts";
import { pinDevice } from "./device-pinning.ts";
import type { LatchMark } from "./effect.ts";
import type { AgentEvent } from "./event.ts";
import { newStart, newStartAfterFailure, nextHeartbeat } from "./heartbeat.ts";
import { latch } from "./latching.ts";
import { verifyLeaving } from "./leaving.ts";
import { whyNotOurDevice } from "./own-device.ts";
import { noteFenceSlot } from "./own-fence-slot.ts";
import { bareMessagesIn, judgeMessage, type MessageVerdict } from "./own-message.ts";
import { holdsLastWritten, judgeOwnSlot } from "./own-slot.ts";
import { follow, log, refuseToServe, type Step } from "./step.ts";
import { seconds } from "../timing/contract.ts";
import { standInForPass } from "./vouching.ts";

type PassRead = AgentEvent & { readonly type: "pass-read" };

/** Decides on what the first half of a pass has read: obey, write, or hold still. */
export function passRead(state: AgentState, event: PassRead, nowMs: number): Step {
  const { pass } = state;
  if (pass.kind !== "reading" || pass.pass !== event.pass || isSilent(state)) {
    return { state, effects: [] };
  }
  const seen = { ...state, lastUptimeMs: event.uptimeMs, lastWallNs: event.wallNs };
  const remembered = state.config.memory.deviceUUID;
  const trouble = whyNotOurDevice(
    event.header,
    event.samePath,
    state.device?.header ?? (remembered === null ? null : { deviceUUID: remembered }),
    state.config.owner,
  );
  if (trouble !== null && (state.device === null || !trouble.vouchable)) {
    return finishPass(seen, pass.startedMs, trouble);
  }
  const pinned =
    state.device === null && event.header.kind === "header"
      ? pinDevice(seen, event.header.header)
      : { state: seen, effects: [] };
  if (pinned.state.life.kind === "exited") {
    return pinned;
  }
  return follow(
    pinned,
    nowMs,
    (known) => keepFirstRead(known, event),
    (known) => heed(known, event, trouble, nowMs),
  );
}

/** The heartbeat is on the device: the pass is over, and good unless something spoiled it. */
export function heartbeatWritten(
  state: AgentState,
  event: AgentEvent & { readonly type: "heartbeat-written" },
  nowMs: number,
): Step {
  const { pass, device } = state;
  if (pass.kind !== "writing" || pass.pass !== event.pass || isSilent(state) || device === null) {
    return { state, effects: [] };
  }
  const { startedMs, trouble, record } = pass;
  const finished = finishPass({ ...state, lastWritten: record }, startedMs, trouble);
  return follow(
    finished,
    nowMs,
    (done) => (trouble === null ? countGood(done, startedMs, nowMs) : { state: done, effects: [] }),
    (done) => ({ state: done, effects: [{ type: "read-regions" }] }),
  );
}

/** Something on the way failed. A heartbeat that may still land late must not share a start. */
export function passFailed(
  state: AgentState,
  event: AgentEvent & { readonly type: "pass-failed" },
): Step {
  const { pass } = state;
  if (pass.kind === "idle" || pass.pass !== event.pass || isSilent(state)) {
    return { state, effects: [] };
  }
  const next = pass.kind === "writing" ? newStartAfterFailure(state) : state;
  return finishPass(next, pass.startedMs, { detail: event.error, vouchable: false });
}

function countGood(state: AgentState, startedMs: number, nowMs: number): Step {
  const { device } = state;
  if (device === null) {
    throw new Error("A pass cannot be good before the device is known");
  }
  const { timeoutMs } = device.timing;
  const goodSinceMs = state.goodSinceMs ?? startedMs;
  const proven = state.proven || nowMs - goodSinceMs >= timeoutMs;
  const good: AgentState = {
    ...state,
    lastGood: { startedMs, latencyMs: nowMs - startedMs },
    goodSinceMs,
    proven,
  };
  const pushed = isArmed(good)
    ? pushDeadline(good, startedMs + timeoutMs)
    : { state: good, effects: [] };
  return proven && !state.proven
    ? { state: pushed.state, effects: [...pushed.effects, { type: "forget-unclean-starts" }] }
    : pushed;
}

/** The first read of a boot tells old bare messages from new ones, for every later process of it. */
function keepFirstRead(state: AgentState, event: PassRead): Step {
  if (
    state.firstRead.kind !== "unread" ||
    event.fence.kind === "unreadable" ||
    event.header.kind !== "header" ||
    state.device === null
  ) {
    return { state, effects: [] };
  }
  const messages = bareMessagesIn(event.fence, event.heartbeat);
  const { deviceUUID } = state.device.header;
  return {
    state: { ...state, firstRead: { kind: "keeping", messages } },
    effects: [{ type: "keep-first-read", deviceUUID, messages }],
  };
}

/** Obeys a message to this boot before all else; then beats, or holds still. */
function heed(
  state: AgentState,
  event: PassRead,
  headerTrouble: Trouble | null,
  nowMs: number,
): Step {
  const message = judgeMessage(state, event.fence, event.heartbeat);
  if (message.kind === "obey" && !state.config.detectOnly) {
    return latch({ ...state, pass: { kind: "idle" } }, message.mark, nowMs);
  }
  const fenceUnreadable = noteFenceSlot(state.fenceUnreadable, event.fence, event.wallNs);
  const noted = note({ ...state, fenceUnreadable }, message);
  const { life } = noted.state;
  return follow(noted, nowMs, (seen) =>
    life.kind === "leaving" && life.stage === "verify"
      ? verifyLeaving(seen, event, message.kind === "none" && headerTrouble === null)
      : beat(
          seen,
          event,
          headerTrouble ?? (message.kind === "unclear" ? message.trouble : null),
          nowMs,
        ),
  );
}

function note(state: AgentState, message: MessageVerdict): Step {
  switch (message.kind) {
    case "none":
      return { state: { ...state, bareSeen: null, seenEpoch: message.seenEpoch }, effects: [] };
    case "unclear":
      return { state: { ...state, bareSeen: message.bareSeen }, effects: [] };
    case "obey":
      return noteIgnored(state, message.mark);
  }
}

function noteIgnored(state: AgentState, mark: LatchMark): Step {
  if (state.ignored?.epoch === mark.epoch && state.ignored.fencer === mark.fencer) {
    return { state, effects: [] };
  }
  return log(
    { ...state, ignored: mark, seenEpoch: Math.max(state.seenEpoch, mark.epoch) },
    "error",
    `a fence message from ${mark.fencer} orders this boot dead, and detectOnly is set: the node ` +
      `lives on, and nobody can prove it dead`,
  );
}

function beat(state: AgentState, event: PassRead, before: Trouble | null, nowMs: number): Step {
  const { pass, device } = state;
  if (pass.kind !== "reading" || device === null) {
    throw new Error("A heartbeat is written in a pass, on a known device");
  }
  const slot = judgeOwnSlot(state, event.heartbeat, nowMs, device.timing.msgwaitMs);
  // A heartbeat that was lost, or overwritten by a late one, must not seem to have landed later.
  const unbroken = holdsLastWritten(state, event.heartbeat) ? state : newStart(state);
  const judged: AgentState = { ...unbroken, ownSlot: slot.next };
  const trouble = bothTroubles(before, slot.trouble);
  if (slot.action === "conflict") {
    const finished = finishPass(judged, pass.startedMs, slot.trouble);
    const detail = slot.trouble?.detail ?? "";
    if (judged.watchdog.kind === "closed" || judged.watchdog.kind === "refused") {
      return refuseToServe(finished.state, detail);
    }
    return {
      state: { ...finished.state, life: { kind: "conflict", detail } },
      effects: finished.effects,
    };
  }
  // Without a header nobody knows that this is our device: write nothing on it.
  if (slot.action === "watch" || event.header.kind !== "header") {
    const finished = finishPass(judged, pass.startedMs, trouble);
    return { state: finished.state, effects: [...finished.effects, { type: "read-regions" }] };
  }
  const record = nextHeartbeat(
    judged,
    device.timing,
    { leaving: judged.life.kind === "leaving", fenced: false, acknowledgedEpoch: 0 },
    nowMs,
  );
  return {
    state: {
      ...judged,
      sequence: record.sequence,
      pass: { kind: "writing", pass: pass.pass, startedMs: pass.startedMs, record, trouble },
    },
    effects: [{ type: "write-heartbeat", pass: pass.pass, record }],
  };
}

/** A vouching read may stand in for two troubles only if it may for each. */
function bothTroubles(a: Trouble | null, b: Trouble | null): Trouble | null {
  return a === null || b === null
    ? (a ?? b)
    : { detail: `${a.detail}; ${b.detail}`, vouchable: a.vouchable && b.vouchable };
}

function finishPass(state: AgentState, startedMs: number, trouble: Trouble | null): Step {
  const outcome: PassOutcome = { startedMs, trouble };
  const finished: AgentState = {
    ...state,
    pass: { kind: "idle" },
    lastPass: outcome,
    goodSinceMs: trouble === null ? state.goodSinceMs : null,
  };
  const logged = logChange(finished, state.lastPass?.trouble ?? null, trouble);
  const { state: next, effects } = standInForPass(logged.state);
  return { state: next, effects: [...logged.effects, ...effects] };
}

function logChange(state: AgentState, before: Trouble | null, now: Trouble | null): Step {
  if (now !== null && now.detail !== before?.detail) {
    return log(state, "warn", `pass failed: ${now.detail}${whatItMeans(state)}`);
  }
  if (now === null && before !== null) {
    return log(state, "info", "passes are good again");
  }
  return { state, effects: [] };
}

function whatItMeans(state: AgentState): string {
  return isArmed(state) && state.lastGood !== null && state.device !== null
    ? `. This node dies unless a pass is good within ${seconds(state.device.timing.timeoutMs)} of ` +
        `the last good one`
    : "";
}

/** A latched or conflicting agent takes no part in passes any more. */
function isSilent(state: AgentState): boolean {
  return state.life.kind === "latched" || state.life.kind === "conflict";
}
