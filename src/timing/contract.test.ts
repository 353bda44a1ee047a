import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import {
  acknowledgedWaitMs,
  defaultWatchdogMs,
  deriveTiming,
  longerContract,
  msgwaitArithmetic,
  TIMEOUT_MS_MAX,
  TIMEOUT_MS_MIN,
  TimingError,
  WATCHDOG_MS_MAX,
  WATCHDOG_MS_MIN,
} from "./contract.ts";

const contract = fc.record({
  timeoutMs: fc.integer({ min: TIMEOUT_MS_MIN, max: TIMEOUT_MS_MAX }),
  watchdogMs: fc.integer({ min: WATCHDOG_MS_MIN, max: WATCHDOG_MS_MAX }),
});
const SEED = { seed: 20, numRuns: 2_000 };

test("T = 6 s and W = 4 s give M = 16 s", () => {
  assert.deepEqual(deriveTiming({ timeoutMs: 6_000, watchdogMs: 4_000 }), {
    timeoutMs: 6_000,
    watchdogMs: 4_000,
    passIntervalMs: 600,
    petIntervalMs: 1_000,
    slackMs: 2_000,
    longestLifeMs: 14_000,
    msgwaitMs: 16_000,
    acknowledgedWaitMs: 10_000,
  });
});

test("the slack is 5 % where that is more than 2 s", () => {
  assert.equal(deriveTiming({ timeoutMs: 60_000, watchdogMs: 30_000 }).slackMs, 6_000);
  assert.equal(deriveTiming({ timeoutMs: 20_000, watchdogMs: 10_000 }).slackMs, 2_000);
  assert.equal(deriveTiming({ timeoutMs: 20_020, watchdogMs: 10_000 }).slackMs, 2_001);
});

test("an acknowledgement with a shortened watchdog counts after 2W' + slack, whatever T and W", () => {
  const timing = deriveTiming({ timeoutMs: 60_000, watchdogMs: 15_000 });
  assert.equal(acknowledgedWaitMs(timing, 15_000), 34_500);
  assert.equal(acknowledgedWaitMs(timing, 1_000), 4_000);
  assert.equal(acknowledgedWaitMs(timing, 2_000), 6_000);
  assert.equal(
    acknowledgedWaitMs(timing, 30_000),
    63_000,
    "a driver that rounds up has lengthened it",
  );
});

test("a pass is begun every second, or ten times in T where that is more often", () => {
  assert.equal(deriveTiming({ timeoutMs: 3_000, watchdogMs: 2_000 }).passIntervalMs, 300);
  assert.equal(deriveTiming({ timeoutMs: 10_000, watchdogMs: 2_000 }).passIntervalMs, 1_000);
  assert.equal(deriveTiming({ timeoutMs: 3_600_000, watchdogMs: 2_000 }).passIntervalMs, 1_000);
});

test("every contract leaves room for a process that dies just before its watchdog fires", () => {
  fc.assert(
    fc.property(contract, ({ timeoutMs, watchdogMs }) => {
      const timing = deriveTiming({ timeoutMs, watchdogMs });
      const petsEnd = timeoutMs;
      const closedJustBeforeItFires = petsEnd + watchdogMs;
      const resetAt = closedJustBeforeItFires + watchdogMs;
      assert.equal(timing.longestLifeMs, resetAt);
      assert.ok(timing.msgwaitMs >= resetAt + 2_000);
      assert.ok(timing.msgwaitMs >= resetAt * 1.05);
      assert.ok(timing.acknowledgedWaitMs >= 2 * watchdogMs + 2_000);
      assert.ok(timing.petIntervalMs * 4 <= watchdogMs);
      assert.ok(timing.passIntervalMs * 10 <= timeoutMs);
    }),
    SEED,
  );
});

test("the folk rule of twice the watchdog timeout is not safe for any contract", () => {
  // Measured on another daemon: W = 2 s, success declared at 4.2 s, the node died at 4.6 s.
  fc.assert(
    fc.property(contract, ({ timeoutMs, watchdogMs }) => {
      const { longestLifeMs, msgwaitMs } = deriveTiming({ timeoutMs, watchdogMs });
      const folk = 2 * watchdogMs;
      assert.ok(folk < longestLifeMs, "declared while the node may still run");
      assert.ok(folk < msgwaitMs);
    }),
    SEED,
  );
});

test("T + W + slack, without the pet of a closing watchdog, is not safe once W exceeds the slack", () => {
  const timing = deriveTiming({ timeoutMs: 30_000, watchdogMs: 15_000 });
  const without = timing.timeoutMs + timing.watchdogMs + timing.slackMs;
  assert.ok(without < timing.longestLifeMs);
});

test("the arithmetic stands in the words an administrator can check", () => {
  assert.equal(
    msgwaitArithmetic(deriveTiming({ timeoutMs: 30_000, watchdogMs: 15_000 })),
    "M = T + 2W + slack = 30 s + 2 × 15 s + 3 s = 63 s",
  );
  assert.equal(
    msgwaitArithmetic(deriveTiming({ timeoutMs: 6_500, watchdogMs: 4_000 })),
    "M = T + 2W + slack = 6.5 s + 2 × 4 s + 2 s = 16.5 s",
  );
});

for (const [what, timeoutMs, watchdogMs] of [
  ["T (sbdTimeoutSeconds)", TIMEOUT_MS_MIN - 1, 4_000],
  ["T (sbdTimeoutSeconds)", TIMEOUT_MS_MAX + 1, 4_000],
  ["T (sbdTimeoutSeconds)", 6_000.5, 4_000],
  ["T (sbdTimeoutSeconds)", Number.NaN, 4_000],
  ["W (watchdogTimeoutSeconds)", 6_000, WATCHDOG_MS_MIN - 1],
  ["W (watchdogTimeoutSeconds)", 6_000, WATCHDOG_MS_MAX + 1],
  ["W (watchdogTimeoutSeconds)", 6_000, Infinity],
] as const) {
  test(`T = ${timeoutMs} ms with W = ${watchdogMs} ms is refused, and the message names ${what}`, () => {
    assert.throws(
      () => deriveTiming({ timeoutMs, watchdogMs }),
      (error) => error instanceof TimingError && error.message.includes(what),
    );
  });
}

test("the outermost contracts are taken", () => {
  for (const timeoutMs of [TIMEOUT_MS_MIN, TIMEOUT_MS_MAX]) {
    for (const watchdogMs of [WATCHDOG_MS_MIN, WATCHDOG_MS_MAX]) {
      assert.ok(deriveTiming({ timeoutMs, watchdogMs }).msgwaitMs > 0);
    }
  }
});

test("where header and target differ, the longer of each number counts", () => {
  const header = { timeoutMs: 5_000, watchdogMs: 10_000 };
  const target = { timeoutMs: 30_000, watchdogMs: 4_000 };
  assert.deepEqual(longerContract(header, target), { timeoutMs: 30_000, watchdogMs: 10_000 });
  fc.assert(
    fc.property(contract, contract, (a, b) => {
      const both = deriveTiming(longerContract(a, b)).msgwaitMs;
      assert.ok(both >= deriveTiming(a).msgwaitMs && both >= deriveTiming(b).msgwaitMs);
    }),
    SEED,
  );
});

test("the default W is half of T in whole seconds, and always a contract", () => {
  assert.equal(defaultWatchdogMs(30_000), 15_000);
  assert.equal(defaultWatchdogMs(3_000), 2_000);
  assert.equal(defaultWatchdogMs(3_600_000), 60_000);
  fc.assert(
    fc.property(contract, ({ timeoutMs }) => {
      const watchdogMs = defaultWatchdogMs(timeoutMs);
      assert.equal(watchdogMs % 1_000, 0);
      assert.ok(deriveTiming({ timeoutMs, watchdogMs }).msgwaitMs > timeoutMs);
    }),
    SEED,
  );
});
