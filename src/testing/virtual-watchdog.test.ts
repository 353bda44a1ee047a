import assert from "node:assert/strict";
import { test } from "node:test";
import {
  firesAtMs,
  initialWatchdogState,
  stepWatchdog,
  type WatchdogEvent,
  type WatchdogModel,
  type WatchdogState,
} from "./virtual-watchdog.ts";

const SOFTDOG: WatchdogModel = {
  nowayout: false,
  magicClose: true,
  timeoutSeconds: 10,
  timeoutFactor: 1,
  toleranceMs: 0,
};

type Line = readonly [kind: WatchdogEvent["kind"], tMs: number, timeoutSeconds?: number];

function after(model: WatchdogModel, ...lines: readonly Line[]): WatchdogState {
  return lines.reduce((state, line) => {
    const step = stepWatchdog(model, state, event(line));
    assert.equal(step.fired, false);
    return step.state;
  }, initialWatchdogState(model));
}

function event([kind, tMs, timeoutSeconds]: Line): WatchdogEvent {
  const base = { kind, tMs, exact: true };
  return timeoutSeconds === undefined ? base : { ...base, timeoutSeconds };
}

test("it stands still until it is opened, which counts as a pet", () => {
  assert.equal(firesAtMs(SOFTDOG, initialWatchdogState(SOFTDOG)), Infinity);
  assert.equal(firesAtMs(SOFTDOG, after(SOFTDOG, ["open", 5])), 10_005);
});

test("a pet and a change of the timeout start the time anew", () => {
  assert.equal(firesAtMs(SOFTDOG, after(SOFTDOG, ["open", 0], ["pet", 4000])), 14_000);
  assert.equal(firesAtMs(SOFTDOG, after(SOFTDOG, ["open", 0], ["set", 9000, 30])), 39_000);
});

test("a holder that dies pets, one that comes to a ticking watchdog does not", () => {
  const left = after(SOFTDOG, ["open", 0], ["close", 9000]);
  assert.deepEqual([left.active, firesAtMs(SOFTDOG, left)], [true, 19_000]);
  const taken = after(SOFTDOG, ["open", 0], ["close", 9000], ["open", 18_000]);
  assert.equal(firesAtMs(SOFTDOG, taken), 19_000);
});

test("'V' before the close stops it, and a pet between the two takes it back", () => {
  const lines: Line[] = [
    ["open", 0],
    ["magic", 1],
  ];
  assert.equal(after(SOFTDOG, ...lines, ["close", 2]).active, false);
  assert.equal(after(SOFTDOG, ...lines, ["pet", 2], ["close", 3]).active, true);
});

test("nowayout ignores 'V'", () => {
  const model = { ...SOFTDOG, nowayout: true };
  assert.equal(after(model, ["open", 0], ["magic", 1], ["close", 2]).active, true);
});

test("a driver with neither magic close nor nowayout stops when its holder dies", () => {
  const model = { ...SOFTDOG, magicClose: false };
  assert.equal(after(model, ["open", 0], ["close", 1]).active, false);
  const kept = { ...model, nowayout: true };
  assert.equal(after(kept, ["open", 0], ["close", 1]).active, true);
});

test("a holder that went unseen closed before the next one opened", () => {
  const seen = after(SOFTDOG, ["open", 0], ["pet", 1000], ["open", 8000]);
  assert.equal(firesAtMs(SOFTDOG, seen), 18_000);
});

test("a pet that was made too late does not count, one that was only seen late does", () => {
  const open = after(SOFTDOG, ["open", 0]);
  const late = { kind: "pet", tMs: 10_000 } as const;
  assert.equal(stepWatchdog(SOFTDOG, open, { ...late, exact: true }).fired, true);
  assert.equal(stepWatchdog(SOFTDOG, open, { ...late, exact: false }).fired, false);
});

test("drivers that take longer, or for ever, are late by their factor and tolerance", () => {
  const slow = { ...SOFTDOG, timeoutFactor: 2, toleranceMs: 50 };
  assert.equal(firesAtMs(slow, after(slow, ["open", 0])), 20_050);
  const never = { ...SOFTDOG, timeoutFactor: Infinity };
  assert.equal(firesAtMs(never, after(never, ["open", 0])), Infinity);
});
