import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import { decodeFenceSlot, type FenceSlot } from "../protocol/fence-record.ts";
import type { HeaderSlot } from "../protocol/device-header.ts";
import {
  encodeHeartbeatRecord,
  type HeartbeatRecord,
  type HeartbeatSlot,
} from "../protocol/heartbeat-record.ts";
import { stepAgent } from "./agent.ts";
import { initialAgentState, isArmed, type AgentState } from "./agent-state.ts";
import type { AgentEffect } from "./effect.ts";
import type { AgentEvent } from "./event.ts";
import { agentConfig } from "./scenarios/agent-config-for-tests.ts";
import { deviceHeader, STRIDE_BYTES } from "./scenarios/fake-device.ts";
import { NODE_ID } from "./scenarios/host.ts";
import { fenceBytes } from "./scenarios/records.ts";

const RUNS = { seed: 12, numRuns: 8_000 };
const T_MS = 6_000;
const UNREADABLE = { kind: "unreadable", code: "BAD_MAGIC", detail: "garbage" } as const;
const FENCES: Readonly<Record<string, FenceSlot>> = {
  empty: { kind: "empty" },
  ours: decodeFenceSlot(fenceBytes({ boot: "A", epoch: 3, reason: 2 }), NODE_ID),
  other: decodeFenceSlot(fenceBytes({ boot: "B", epoch: 2, reason: 2 }), NODE_ID),
  cleared: decodeFenceSlot(fenceBytes({ boot: "A", epoch: 3, reason: 0 }), NODE_ID),
  unreadable: UNREADABLE,
};
const OUR_HEADER = { kind: "header", header: deviceHeader(T_MS, 4_000, "SelfFence") } as const;
const HEADERS: Readonly<Record<string, HeaderSlot>> = {
  ours: OUR_HEADER,
  surviving: { kind: "header", header: deviceHeader(T_MS, 4_000, "SurviveWithApi") },
  foreign: {
    kind: "header",
    header: { ...OUR_HEADER.header, deviceUUID: "ffffffff-ffff-4fff-8fff-ffffffffffff" },
  },
  blank: { kind: "empty" },
  unreadable: UNREADABLE,
};

/** Before the first that a core asks. */
const ASKED_AT_ANY_TIME = 0;

/** One thing the world may do next; `current` = it answers what the agent asked for last. */
type Move =
  | { readonly do: "tick" | "terminate" | "worker" | "opened" | "open-failed" | "marked" }
  | { readonly do: "mark-failed" | "acknowledged" | "first-kept" | "failed" | "written" | "stray" }
  | { readonly do: "read"; readonly header: string; readonly fence: string; readonly slot: string }
  | {
      readonly do: "api";
      readonly agoMs: number;
      readonly open: number;
      readonly leaving: boolean;
    };

/** Mostly what a healthy world does, so that the state behind it is reached. */
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant("read" as const),
      header: mostly("ours", ["surviving", "foreign", "blank", "unreadable"]),
      fence: mostly("empty", ["ours", "other", "cleared", "unreadable"]),
      slot: mostly("last", ["empty", "unreadable", "older"]),
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: mostly("written" as const, ["failed" as const]) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant("tick" as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("first-kept" as const) }) },
  { weight: 5, arbitrary: fc.record({ do: mostly("opened" as const, ["open-failed" as const]) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("marked" as const, "mark-failed" as const, "acknowledged" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("worker" as const, "stray" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("terminate" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("api" as const),
      agoMs: fc.integer({ min: 0, max: 2 * T_MS }),
      open: fc.constantFrom(0, 0, 1),
      leaving: fc.boolean(),
    }),
  },
);

function mostly<Choice extends string>(usual: Choice, others: readonly Choice[]) {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
}

/** A witness that keeps its own books beside the core's. */
type Books = {
  nowMs: number;
  inFlight: HeartbeatRecord | null;
  onDevice: HeartbeatRecord | null;
  opened: boolean;
  hasGoodPass: boolean;
  /** /run keeps the first read of this boot. */
  firstKept: boolean;
  /** The read of the pass under way showed nothing amiss. */
  readCleanly: boolean;
  mayPushTo: Set<number>;
  latched: boolean;
  marked: boolean;
  lastPass: number;
  /** `leaving` is on the device, and the last read after it showed it with no message. */
  leavingReadBack: boolean;
  apiKnowsLeaving: boolean;
};

function eventOf(step: Move, state: AgentState, books: Books): AgentEvent | null {
  const pass = state.pass.kind === "idle" ? state.passes : state.pass.pass;
  switch (step.do) {
    case "tick":
    case "terminate":
      return { type: step.do };
    case "worker":
      return { type: "disk-worker-replaced" };
    case "opened":
      return { type: "watchdog-opened", reportedSeconds: 4, options: 0x0180 };
    case "open-failed":
      return state.watchdog.kind === "opening" ? { type: "watchdog-failed", error: "EBUSY" } : null;
    case "marked":
      return { type: "mark-kept" };
    case "mark-failed":
      return { type: "mark-failed", error: "EROFS" };
    case "acknowledged":
      return { type: "acknowledged" };
    case "first-kept":
      return { type: "first-read-kept" };
    case "failed":
      return { type: "pass-failed", pass, error: "EIO" };
    case "written":
      return { type: "heartbeat-written", pass };
    case "stray":
      return { type: "heartbeat-written", pass: pass + 1 };
    case "read":
      return {
        type: "pass-read",
        pass,
        header: HEADERS[step.header] ?? UNREADABLE,
        fence: FENCES[step.fence] ?? UNREADABLE,
        heartbeat: slotOf(step.slot, books),
        samePath: true,
        uptimeMs: books.nowMs,
        wallNs: 1_700_000_000_000_000_000n,
      };
    case "api":
      return { type: "vouch-read", id: ASKED_AT_ANY_TIME, openRequests: step.open };
  }
}

/** A question the core may or may not have asked: what an answer to it may do is the same. */
function asked(
  state: AgentState,
  { agoMs, leaving }: Move & { readonly do: "api" },
  nowMs: number,
): AgentState {
  const startedMs = nowMs - agoMs;
  const question = { id: ASKED_AT_ANY_TIME, startedMs, leaving, armed: isArmed(state) };
  return { ...state, vouchQuestions: [question, ...state.vouchQuestions] };
}

function slotOf(slot: string, { onDevice }: Books): HeartbeatSlot {
  if (slot === "unreadable") return UNREADABLE;
  if (slot === "empty" || onDevice === null) return { kind: "empty" };
  const record = slot === "older" ? { ...onDevice, sequence: onDevice.sequence - 1 } : onDevice;
  return { kind: "heartbeat", record };
}

/** What the event itself allows, noted before the core sees it. */
function keepBooks(books: Books, event: AgentEvent, before: AgentState): void {
  if (event.type === "pass-read" && before.pass.kind === "reading") {
    const { header, fence, heartbeat } = event;
    const free = fence.kind === "empty" || fence === FENCES["other"] || fence.kind === "cleared";
    const ours =
      header.kind === "header" &&
      (before.device === null || header.header.deviceUUID === before.device.header.deviceUUID);
    books.readCleanly = free && ours;
    books.leavingReadBack =
      books.readCleanly && heartbeat.kind === "heartbeat" && heartbeat.record.leaving;
    books.mayPushTo.add(before.pass.startedMs + T_MS);
  }
  if (event.type === "heartbeat-written" && before.pass.kind === "writing") {
    if (event.pass === before.pass.pass) {
      books.onDevice = books.inFlight;
      books.inFlight = null;
      if (books.readCleanly) books.hasGoodPass = true;
    }
  }
  if (event.type === "pass-failed" || event.type === "disk-worker-replaced") books.inFlight = null;
  const question = before.vouchQuestions[0];
  if (event.type === "vouch-read" && event.openRequests === 0 && question !== undefined) {
    books.mayPushTo.add(question.startedMs + T_MS);
    const sinceMs = before.life.kind === "leaving" ? before.life.sinceMs : Infinity;
    if (question.leaving && question.startedMs >= sinceMs) books.apiKnowsLeaving = true;
  }
  if (event.type === "first-read-kept" && before.firstRead.kind === "keeping") {
    books.firstKept = true;
  }
  if (event.type === "mark-kept" && books.latched) books.marked = true;
}

function checkEffect(
  effect: AgentEffect,
  books: Books,
  before: AgentState,
  state: AgentState,
): void {
  const silentOnceLatched: readonly AgentEffect["type"][] = [
    "read-pass",
    "write-heartbeat",
    "open-watchdog",
    "start-petter",
    "push-deadline",
    "release-watchdog",
    "stretch-watchdog",
    "exit",
    "latch-petter",
  ];
  if (books.latched) assert.ok(!silentOnceLatched.includes(effect.type), `latched: ${effect.type}`);
  switch (effect.type) {
    case "push-deadline":
      assert.ok(isArmed(state) && books.mayPushTo.has(effect.deadlineMs), "a deadline of its own");
      assert.ok(effect.deadlineMs >= (before.deadlineMs ?? -Infinity), "a deadline moved back");
      return;
    case "open-watchdog":
      assert.ok(!books.opened, "opened twice");
      assert.ok(books.hasGoodPass, "opened without a good pass");
      assert.ok(books.firstKept, "opened before /run knew what was there");
      books.opened = true;
      return;
    case "read-pass":
      assert.ok(effect.pass > books.lastPass && books.inFlight === null, "two passes at a time");
      books.lastPass = effect.pass;
      books.readCleanly = false;
      return;
    case "write-heartbeat":
      assert.equal(books.inFlight, null, "two writes in flight");
      books.inFlight = effect.record;
      assert.equal(encodeHeartbeatRecord(effect.record, STRIDE_BYTES).length, STRIDE_BYTES);
      return;
    case "latch-petter":
      books.latched = true;
      return;
    case "acknowledge":
      assert.ok(books.marked, "acknowledged without a mark");
      assert.ok(effect.record.fenced);
      assert.equal(encodeHeartbeatRecord(effect.record, STRIDE_BYTES).length, STRIDE_BYTES);
      return;
    case "reboot":
      assert.ok(books.latched, "a reboot that no message ordered");
      return;
    case "release-watchdog":
    case "stretch-watchdog": {
      // Opened, and given back before any heartbeat of this process said armed.
      if (before.watchdog.kind === "opening") return;
      const survives = before.device?.header.onStorageLoss === "SurviveWithApi";
      const told = books.apiKnowsLeaving && survives;
      assert.equal(before.life.kind, "leaving");
      assert.ok(told || books.leavingReadBack, "released on less than a read-back");
      assert.ok(books.apiKnowsLeaving || !before.unconfirmedWrite, "a late write is not known of");
      return;
    }
    default:
  }
}

test("no order of events breaks the agent's invariants", () => {
  let armed = 0;
  let latched = 0;
  let released = 0;
  const moves = fc.array(fc.tuple(move, fc.constantFrom(0, 2, 150, 300, 600, 3_000)), {
    minLength: 20,
    maxLength: 90,
  });
  fc.assert(
    fc.property(moves, (steps) => {
      let state = initialAgentState(agentConfig({}));
      const books: Books = {
        nowMs: 0,
        inFlight: null,
        onDevice: null,
        opened: false,
        hasGoodPass: false,
        firstKept: false,
        readCleanly: false,
        mayPushTo: new Set(),
        latched: false,
        marked: false,
        lastPass: 0,
        leavingReadBack: false,
        apiKnowsLeaving: false,
      };
      for (const [step, afterMs] of steps) {
        books.nowMs += afterMs;
        if (step.do === "api") state = asked(state, step, books.nowMs);
        const event = eventOf(step, state, books);
        if (event === null) continue;
        keepBooks(books, event, state);
        const before = state;
        const next = stepAgent(state, event, books.nowMs);
        state = next.state;
        for (const effect of next.effects) checkEffect(effect, books, before, state);
        if (books.latched) assert.equal(state.life.kind, "latched");
        if (before.life.kind === "exited") assert.deepEqual(next, { state: before, effects: [] });
        if (state.watchdog.kind === "released") released += 1;
      }
      if (isArmed(state)) armed += 1;
      if (books.latched) latched += 1;
    }),
    RUNS,
  );
  assert.ok(armed > 100 && latched > 100 && released > 20, `${armed}, ${latched}, ${released}`);
});
