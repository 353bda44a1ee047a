import assert from "node:assert/strict";
import { test } from "node:test";

import { Guard } from "./guard.ts";
import type { WatchdogHardware } from "./hardware.ts";

const HARDWARE: WatchdogHardware = {
  facts: {
    driver: "i6300esb",
    identity: "i6300ESB timer",
    options: 0x180,
    nowayout: false,
    softNoboot: false,
    softRebootCmd: false,
    measuredFactor: null,
  },
  trueFactor: 1,
  roundsToSeconds: 1,
  stuckAtSeconds: null,
};

test("a holder killed at 9 s of 10 s is reset at 19 s, as measured", () => {
  const guard = new Guard(HARDWARE, true);
  guard.open(0);
  guard.set(10, 0);
  assert.equal(guard.hazard()?.atMs, 10_000);
  assert.equal(guard.close("without", 9_000), "petted");
  assert.equal(guard.hazard()?.atMs, 19_000);
});

test("opening a watchdog that ticks does not pet, setting it does", () => {
  const guard = new Guard(HARDWARE, true);
  guard.open(0);
  guard.set(10, 0);
  guard.close("without", 4_000);
  assert.equal(guard.open(8_000), false);
  assert.equal(guard.hazard()?.atMs, 14_000);
  guard.set(10, 9_000);
  assert.equal(guard.hazard()?.atMs, 19_000);
});

test("the petter pets until its deadline, and then writes sysrq-b or leaves it to the watchdog", () => {
  for (const [sysrq, atMs] of [
    [true, 30_000],
    [false, 37_500],
  ] as const) {
    const guard = new Guard(HARDWARE, sysrq);
    guard.open(0);
    guard.set(10, 0);
    guard.startPetter({ periodMs: 2_500, deadlineMs: 30_000, selfFence: true }, 0);
    assert.equal(guard.hazard()?.atMs, atMs);
  }
});

test("a latched petter pets no more and moves no deadline", () => {
  const guard = new Guard(HARDWARE, false);
  guard.open(0);
  guard.set(10, 0);
  guard.startPetter({ periodMs: 2_500, deadlineMs: 30_000, selfFence: true }, 0);
  guard.latchPetter(6_000);
  assert.equal(guard.push(60_000, 6_000), false);
  assert.equal(guard.hazard()?.atMs, 15_000);
});
