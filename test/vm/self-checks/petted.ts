import assert from "node:assert/strict";
import { elapse } from "../bounded.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";
import { petter, watchdogOf, workload } from "./stand-ins.ts";

const WATCHDOG_S = 4;
const LIVES_MS = 5 * WATCHDOG_S * 1000;

/** Three machines that do everything right. One of their programs is killed, and comes back. */
export const petted: Scenario = {
  number: 103,
  name: "a guest that pets lives and works, and its killed program is started again",
  run: async (cluster, { measure }) => {
    const drivers = ["i6300esb", "softdog", "iTCO_wdt"] as const;
    await cluster.start(
      drivers.map((driver, block) => ({
        name: driver,
        settings: {
          watchdog: watchdogOf(driver, WATCHDOG_S),
          services: [petter(WATCHDOG_S), workload(driver, block)],
        },
      })),
    );
    await Promise.all(
      drivers.map(async (driver) => await cluster.observer.working(driver, 1, 30_000)),
    );
    const fromMs = monoMs();
    await elapse(LIVES_MS);
    for (const guest of cluster.guests) {
      assert.deepEqual(
        guest.resets.filter((reset) => reset.atMs > fromMs),
        [],
        `${guest.name} was reset`,
      );
      assert.equal(guest.boots.length, 1, `${guest.name} booted once`);
      const life = cluster.observer.life(guest.bootId);
      assert.ok(life && monoMs() - life.lastMs < 1000, `${guest.name} is still at work`);
      measure(`${guest.name}: worst gap between two 100 ms writes`, life.longestGapMs);
    }
    const guest = cluster.guest("softdog");
    const killedMs = monoMs();
    await guest.signal("work", "KILL");
    // Its numbers start anew with the process, in the same boot.
    const again = await cluster.observer.nextLife(30_000, "the workload's return", (life) => {
      return life.guest === guest.name && life.lastSequence === 1;
    });
    measure("a killed program works again after", again.lastMs - killedMs);
    assert.equal(again.bootId, guest.bootId);
    measure("watched for", LIVES_MS);
  },
};
