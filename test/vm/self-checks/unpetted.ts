import assert from "node:assert/strict";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";
import { lastPetLine, mortalPetter, watchdogOf, workload } from "./stand-ins.ts";

/** Seconds that each watchdog is set to. */
const WATCHDOG_S = 4;

/** By when each may reset, in milliseconds after the last pet. iTCO fires at its second expiry. */
const BOUNDS = [
  { driver: "i6300esb", fromMs: 3500, toMs: 5500 },
  { driver: "softdog", fromMs: 3500, toMs: 5500 },
  { driver: "iTCO_wdt", fromMs: 6500, toMs: 9500 },
] as const;

/** Three machines with a watchdog each whose petter falls silent. */
export const unpetted: Scenario = {
  number: 102,
  name: "a watchdog resets the guest whose petter stops, and the guest boots again",
  run: async (cluster, { measure }) => {
    const startedMs = monoMs();
    await cluster.start(
      BOUNDS.map(({ driver }, block) => ({
        name: driver,
        settings: {
          watchdog: watchdogOf(driver, WATCHDOG_S),
          services: [workload(driver, block), mortalPetter()],
        },
      })),
    );
    await Promise.all(
      BOUNDS.map(async ({ driver, fromMs, toMs }) => {
        const guest = cluster.guest(driver);
        const lastPet = await guest.console.waitFor(lastPetLine, startedMs, 60_000);
        const first = await cluster.observer.working(driver, 1, 1000);
        guest.configure({ watchdog: watchdogOf(driver, WATCHDOG_S), services: [] });
        const reset = await guest.reset(lastPet.atMs, 30_000);
        const life = cluster.observer.life(first.bootId);
        assert.ok(life, "the guest worked in its first boot");
        const silentMs = life.lastMs - lastPet.atMs;
        measure(`${driver} of ${WATCHDOG_S} s: from last pet to last write`, silentMs);
        assert.ok(
          silentMs > fromMs && silentMs < toMs,
          `${driver} of ${WATCHDOG_S} s ended the guest's work ${silentMs} ms after the last pet`,
        );
        const boot = await guest.booted(reset.atMs, 90_000);
        measure(`${driver}: from last write to the next boot's shell`, boot.atMs - life.lastMs);
        assert.notEqual(boot.bootId, first.bootId);
        const services = await guest.shell("cd /run/vm; echo *.pid");
        assert.equal(services, "*.pid", "the second boot was told to run nothing");
      }),
    );
  },
};
