import assert from "node:assert/strict";

import { acknowledgedWaitMs, seconds } from "../../../src/timing/contract.ts";
import type { GuestWatchdog } from "../guest-settings.ts";
import { GuardedCluster } from "../guarded-cluster.ts";
import type { Scenario } from "../scenario.ts";

type Hardware = {
  readonly driver: GuestWatchdog["driver"];
  readonly parameters: Readonly<Record<string, string>>;
  readonly watchdogSeconds: number;
  /** What the acknowledgement is to say, in milliseconds: the driver's shortest, times its factor. */
  readonly shortenedMs: number;
};

/** iTCO_wdt takes no less than 3 s, and resets on the second expiry. */
const HARDWARE: readonly Hardware[] = [
  { driver: "i6300esb", parameters: {}, watchdogSeconds: 10, shortenedMs: 1_000 },
  { driver: "i6300esb", parameters: { nowayout: "1" }, watchdogSeconds: 10, shortenedMs: 1_000 },
  { driver: "softdog", parameters: {}, watchdogSeconds: 10, shortenedMs: 1_120 },
  { driver: "iTCO_wdt", parameters: {}, watchdogSeconds: 14, shortenedMs: 6_000 },
];

/** sysrq-b does nothing in these guests: what they die of is the watchdog that they shortened. */
export const shortenedWatchdogs: readonly Scenario[] = HARDWARE.map(
  ({ driver, parameters, watchdogSeconds, shortenedMs }): Scenario => ({
    number: 28,
    name:
      `${driver}${"nowayout" in parameters ? " with nowayout" : ""}: a latched agent shortens its ` +
      `watchdog, dies within what it acknowledged, and is declared dead 2W' + slack later`,
    run: async (cluster, play) => {
      const guarded = await GuardedCluster.start(cluster, play, {
        control: "device",
        names: ["a", "b"],
        timeoutSeconds: 20,
        watchdogSeconds,
        watchdog: { driver, parameters },
        sysrq: "does-nothing",
      });
      const fencing = await guarded.fence("a");
      const durableMs = await fencing.durable(30_000);
      const acknowledgedMs = await guarded.acknowledged("a", durableMs, 30_000);
      const record = guarded.watch.heartbeat(guarded.nodeID("a"));
      assert.equal(record?.fenced, true);
      assert.equal(record?.watchdogMs, shortenedMs);
      const death = await guarded.death("a", durableMs, 120_000);
      const lifeMs = 2 * shortenedMs;
      guarded.judgeDeath("from the acknowledgement", acknowledgedMs, death, lifeMs, "2W'");
      const declared = await fencing.declared(guarded.timing.msgwaitMs + 120_000);
      guarded.judgeDeclaration(death.bootId, declared.atMs);
      assert.equal(declared.kind, "Acknowledged");
      const waitMs = acknowledgedWaitMs(guarded.timing, shortenedMs);
      play.measure(
        "from the acknowledgement to the declared death",
        declared.atMs - acknowledgedMs,
        {
          fromMs: waitMs - 100,
          toMs: waitMs + 3 * guarded.timing.passIntervalMs,
          why: `2W' + slack = ${seconds(waitMs)}, + 3 passes of the fencer`,
        },
      );
      await guarded.returns("a", death);
      await guarded.everybodyElseLives("a");
    },
  }),
);
