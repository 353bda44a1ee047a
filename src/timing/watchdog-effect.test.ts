import assert from "node:assert/strict";
import { test } from "node:test";

import {
  effectiveWatchdogMs,
  judgeWatchdog,
  whyWatchdogTooSlow,
  type WatchdogFacts,
  type WatchdogRefusalCode,
} from "./watchdog-effect.ts";

const SETTIMEOUT = 0x0080;
const MAGICCLOSE = 0x0100;
const ALARMONLY = 0x0400;
const TRUSTING = { acceptUnverified: true };
const STRICT = { acceptUnverified: false };
const CONTRACT = { timeoutMs: 6_000, watchdogMs: 4_000 };
const GOOD: WatchdogFacts = {
  driver: "i6300esb",
  identity: "i6300ESB timer",
  options: SETTIMEOUT | MAGICCLOSE,
  nowayout: false,
  softNoboot: false,
  softRebootCmd: false,
  measuredFactor: null,
};

test("a verified watchdog is set to all of W", () => {
  assert.deepEqual(judgeWatchdog(GOOD, CONTRACT, STRICT), {
    kind: "usable",
    timeoutSeconds: 4,
    factor: 1,
    verified: true,
  });
});

test("a driver is known by its identity where sysfs names none", () => {
  const judged = judgeWatchdog({ ...GOOD, driver: null, identity: "iTCO_wdt" }, CONTRACT, STRICT);
  assert.deepEqual(judged, { kind: "usable", timeoutSeconds: 2, factor: 2, verified: true });
});

const REFUSALS: readonly [WatchdogRefusalCode, Partial<WatchdogFacts>][] = [
  ["NO_BOOT", { softNoboot: true }],
  ["REBOOT_COMMAND", { softRebootCmd: true }],
  ["ALARM_ONLY", { options: SETTIMEOUT | MAGICCLOSE | ALARMONLY }],
  ["FIXED_MARGIN", { options: MAGICCLOSE }],
  ["STOPS_ON_CLOSE", { options: SETTIMEOUT }],
];
for (const [code, facts] of REFUSALS) {
  test(`${code}: ${JSON.stringify(facts)} is refused, even where the administrator trusts the driver`, () => {
    const judged = judgeWatchdog({ ...GOOD, measuredFactor: 1, ...facts }, CONTRACT, TRUSTING);
    assert.equal(judged.kind === "refused" && judged.code, code);
    assert.match(judged.kind === "refused" ? judged.message : "", /The node runs unarmed/);
  });
}

test("a driver nobody has measured needs a measurement or the administrator's word", () => {
  const hobby = { ...GOOD, driver: "hobby_wdt", identity: "Hobby" };
  const judged = judgeWatchdog(hobby, CONTRACT, STRICT);
  assert.equal(judged.kind === "refused" && judged.code, "UNVERIFIED");
  assert.equal(judgeWatchdog(hobby, CONTRACT, TRUSTING).kind, "usable");
  assert.deepEqual(judgeWatchdog({ ...hobby, measuredFactor: 1.5 }, CONTRACT, STRICT), {
    kind: "usable",
    timeoutSeconds: 2,
    factor: 1.5,
    verified: false,
  });
});

test("nowayout stands in for magic close, since nothing stops such a watchdog", () => {
  const judged = judgeWatchdog({ ...GOOD, options: SETTIMEOUT, nowayout: true }, CONTRACT, STRICT);
  assert.equal(judged.kind, "usable");
});

test("of the listed and the measured factor the longer counts", () => {
  const slower = judgeWatchdog({ ...GOOD, measuredFactor: 1.9 }, CONTRACT, STRICT);
  assert.equal(slower.kind === "usable" && slower.timeoutSeconds, 2);
  const hoped = judgeWatchdog(
    { ...GOOD, driver: "iTCO_wdt", identity: "iTCO_wdt", measuredFactor: 0.5 },
    CONTRACT,
    STRICT,
  );
  assert.equal(hoped.kind === "usable" && hoped.factor, 2);
});

test("TOO_SLOW: a W that leaves no whole second is refused, with the arithmetic", () => {
  const judged = judgeWatchdog(
    { ...GOOD, measuredFactor: 2.5 },
    { timeoutMs: 6_000, watchdogMs: 2_000 },
    STRICT,
  );
  assert.equal(judged.kind === "refused" && judged.code, "TOO_SLOW");
  assert.match(judged.kind === "refused" ? judged.message : "", /2\.5 s .* W = 2 s/);
});

for (const [driver, factor] of [
  ["i6300esb", 1],
  ["softdog", 1.12],
  ["iTCO_wdt", 2],
] as const) {
  test(`${driver} never takes longer than W, whatever W, and is not refused for what it was asked`, () => {
    for (let seconds = 3; seconds <= 600; seconds++) {
      const contract = { timeoutMs: 6_000, watchdogMs: seconds * 1_000 };
      const judged = judgeWatchdog({ ...GOOD, driver, identity: driver }, contract, STRICT);
      assert.ok(judged.kind === "usable" && judged.factor === factor);
      assert.ok(effectiveWatchdogMs(judged.timeoutSeconds, factor) <= contract.watchdogMs);
      assert.ok(effectiveWatchdogMs(judged.timeoutSeconds + 1, factor) > contract.watchdogMs);
      assert.equal(whyWatchdogTooSlow(judged.timeoutSeconds, factor, contract), null, `${seconds}`);
    }
  });
}

test("iTCO_wdt reports 10 s and resets at 20", () => {
  assert.equal(effectiveWatchdogMs(10, 2), 20_000);
});

test("softdog's second may be 1.12 s long", () => {
  assert.equal(effectiveWatchdogMs(10, 1.12), 11_200);
});

test("a driver that rounds up breaks the contract, and the message does the sum", () => {
  assert.equal(whyWatchdogTooSlow(4, 1, CONTRACT), null);
  assert.equal(
    whyWatchdogTooSlow(5, 1, CONTRACT),
    "The watchdog reports 5 s and may take 5 s (5 s × 1), longer than W = 4 s: fencers wait " +
      "M = T + 2W + slack = 6 s + 2 × 4 s + 2 s = 16 s, and this node could live " +
      "6 s + 2 × 5 s = 16 s. The node runs unarmed; initialise the device with a watchdog timeout " +
      "of 5 s or more.",
  );
});
