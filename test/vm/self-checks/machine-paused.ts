import assert from "node:assert/strict";
import { elapse } from "../bounded.ts";
import type { Scenario } from "../scenario.ts";
import { petter, watchdogOf, workload } from "./stand-ins.ts";

const WATCHDOG_S = 4;
const PAUSE_MS = 12_000;

/** A pause stops the guest's clock and its watchdog with it: the limit of every proof by waiting. */
export const machinePaused: Scenario = {
  number: 109,
  name: "a machine paused for three watchdog times resumes as if nothing had been",
  run: async (cluster, { measure }) => {
    const drivers = ["i6300esb", "softdog"] as const;
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
    const uptimes = async (): Promise<number[]> =>
      await Promise.all(
        cluster.guests.map(
          async (guest) => Number(await guest.shell("cut -d' ' -f1 /proc/uptime")) * 1000,
        ),
      );
    const before = await uptimes();
    await Promise.all(
      cluster.guests.map(async (guest) => {
        await guest.pause();
      }),
    );
    await elapse(PAUSE_MS);
    await Promise.all(
      cluster.guests.map(async (guest) => {
        await guest.resume();
      }),
    );
    const after = await uptimes();
    await elapse(2 * WATCHDOG_S * 1000);
    for (const [index, guest] of cluster.guests.entries()) {
      const agedMs = (after[index] ?? 0) - (before[index] ?? 0);
      const life = cluster.observer.life(guest.bootId);
      assert.ok(life);
      measure(`${guest.name}: paused for ${PAUSE_MS} ms, aged by`, agedMs);
      measure(`${guest.name}: silence between two writes`, life.longestGapMs);
      assert.ok(agedMs < PAUSE_MS / 2, "its clock stood still");
      assert.ok(life.longestGapMs > PAUSE_MS - 500, "it wrote nothing meanwhile");
      assert.equal(guest.boots.length, 1, "its watchdog stood still as well");
    }
  },
};
