import assert from "node:assert/strict";
import { test } from "node:test";

import {
  initialElectionState,
  stepElection,
  type ElectionEvent,
  type ElectionState,
  type LeaseRecord,
} from "./lease-election.ts";

const CONFIG = {
  identity: "me",
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2_000,
};

function lease(holder: string, resourceVersion: string): LeaseRecord {
  return { holder, resourceVersion, transitions: 3, durationMs: 15_000 };
}

/** Steps through events at their instants; returns the last state and every effect by its type. */
function play(
  events: readonly (readonly [number, ElectionEvent])[],
  from: ElectionState = initialElectionState(CONFIG),
): { readonly state: ElectionState; readonly effects: string[] } {
  let state = from;
  const effects: string[] = [];
  for (const [nowMs, event] of events) {
    const step = stepElection(state, event, nowMs);
    ({ state } = step);
    effects.push(
      ...step.effects
        .filter(({ type }) => type !== "log")
        .map((effect) =>
          effect.type === "write"
            ? `write ${effect.holder || "nobody"} ${effect.transitions} at ${effect.resourceVersion}`
            : effect.type,
        ),
    );
  }
  return { state, effects };
}

const TICK: ElectionEvent = { type: "tick" };
const read = (found: LeaseRecord | null): ElectionEvent => ({ type: "lease-read", lease: found });
const written = (found: LeaseRecord): ElectionEvent => ({ type: "lease-written", lease: found });

function leader(): ElectionState {
  return play([
    [0, TICK],
    [10, read(null)],
    [20, written(lease("me", "1"))],
  ]).state;
}

test("the first candidate makes the lease and leads once that is written", () => {
  const { state, effects } = play([
    [0, TICK],
    [10, read(null)],
    [20, written(lease("me", "1"))],
  ]);
  assert.deepEqual(effects, ["read", "write me 0 at null", "lead"]);
  assert.equal(state.role, "leader");
});

test("a lease that somebody keeps renewing is left alone, whatever the time", () => {
  const { effects } = play(
    [...Array(20).keys()].flatMap((n) => [
      [n * 2_000, TICK] as const,
      [n * 2_000 + 10, read(lease("other", String(n)))] as const,
    ]),
  );
  assert.ok(!effects.some((effect) => effect.startsWith("write")));
});

test("a lease that has not changed for its duration is taken, and not before", () => {
  const before = play([
    [0, TICK],
    [10, read(lease("other", "7"))],
    [14_000, TICK],
    [15_009, read(lease("other", "7"))],
  ]);
  assert.deepEqual(before.effects, ["read", "read"]);
  const after = play(
    [
      [17_000, TICK],
      [17_010, read(lease("other", "7"))],
    ],
    before.state,
  );
  assert.deepEqual(after.effects, ["read", "write me 4 at 7"]);
});

test("a lease that asks for longer is given longer", () => {
  const patient = { ...lease("other", "7"), durationMs: 60_000 };
  const { effects } = play([
    [0, TICK],
    [10, read(patient)],
    [30_000, TICK],
    [30_010, read(patient)],
    [61_000, TICK],
    [61_010, read(patient)],
  ]);
  assert.deepEqual(effects, ["read", "read", "read", "write me 4 at 7"]);
});

test("a released lease is taken at once", () => {
  const { effects } = play([
    [0, TICK],
    [10, read(lease("", "7"))],
  ]);
  assert.deepEqual(effects, ["read", "write me 4 at 7"]);
});

test("a leader renews each period", () => {
  const { state, effects } = play(
    [
      [2_000, TICK],
      [2_010, read(lease("me", "1"))],
      [2_020, written(lease("me", "2"))],
    ],
    leader(),
  );
  assert.deepEqual(effects, ["read", "write me 3 at 1"]);
  assert.equal(state.role, "leader");
});

test("a leader that cannot renew steps down at the deadline, before another may lead", () => {
  const { state, effects } = play(
    [
      [2_000, TICK],
      [9_000, { type: "failed", error: "no answer" }],
      [10_009, TICK],
      [10_011, TICK],
    ],
    leader(),
  );
  // Renewed with the write begun at 10 ms.
  assert.deepEqual(effects, ["read", "read", "follow"]);
  assert.equal(state.role, "candidate");
});

test("a leader whose request hangs steps down at the deadline all the same", () => {
  const { effects } = play(
    [
      [2_000, TICK],
      [10_010, TICK],
    ],
    leader(),
  );
  assert.deepEqual(effects, ["read", "follow"]);
});

test("a leader that reads another's name follows at once", () => {
  const { state, effects } = play(
    [
      [2_000, TICK],
      [2_010, read(lease("other", "9"))],
    ],
    leader(),
  );
  assert.deepEqual(effects, ["read", "follow"]);
  assert.equal(state.role, "candidate");
});

test("of two that write at once, the one that was slower follows on", () => {
  const { state, effects } = play([
    [0, TICK],
    [10, read(null)],
    [20, { type: "lease-taken" }],
    [2_000, TICK],
    [2_010, read(lease("other", "1"))],
  ]);
  assert.deepEqual(effects, ["read", "write me 0 at null", "read"]);
  assert.equal(state.role, "candidate");
});

test("an answer that took longer than the deadline makes no leader", () => {
  const { state } = play([
    [0, TICK],
    [10, read(null)],
    [10_011, written(lease("me", "1"))],
  ]);
  assert.equal(state.role, "candidate");
});

test("a leader that stops gives the lease up, and does nothing after", () => {
  const { state, effects } = play(
    [
      [3_000, { type: "stop" }],
      [5_000, TICK],
      [5_001, written(lease("me", "2"))],
    ],
    leader(),
  );
  assert.deepEqual(effects, ["follow", "write nobody 3 at 1"]);
  assert.equal(state.role, "stopped");
});

test("a candidate that stops leaves the lease alone", () => {
  assert.deepEqual(play([[0, { type: "stop" }]]).effects, []);
});

test("intervals that cannot work are refused", () => {
  assert.throws(
    () => initialElectionState({ ...CONFIG, renewDeadlineMs: 15_000 }),
    /retry period < renew deadline < lease duration/,
  );
});

test("an outage is said once, and its end; a follower says whom it follows", () => {
  const failed: ElectionEvent = { type: "failed", error: "no answer" };
  let state = initialElectionState(CONFIG);
  const said: string[] = [];
  const events: readonly ElectionEvent[] = [
    ...Array.from({ length: 40 }, () => failed),
    read(lease("other", "1")),
    read(lease("other", "2")),
    failed,
    read(lease("third", "3")),
  ];
  for (const [n, event] of events.entries()) {
    const step = stepElection(state, event, n * 500);
    ({ state } = step);
    for (const effect of step.effects) if (effect.type === "log") said.push(effect.message);
  }
  assert.deepEqual(said, [
    "the lease cannot be read or written: no answer",
    "me follows: other leads",
    "the lease can be read and written again",
    "the lease cannot be read or written: no answer",
    "me follows: third leads",
    "the lease can be read and written again",
  ]);
});
