import assert from "node:assert/strict";
import { elapse } from "../bounded.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";
import { petter, watchdogOf, workload } from "./stand-ins.ts";

const WATCHDOG_S = 4;

/** One petter is killed; two say goodbye with 'V', one of them to a watchdog that takes no goodbye. */
export const watchdogClosed: Scenario = {
  number: 104,
  name: "closing without 'V' pets once more and then resets, 'V' disarms, except with nowayout",
  run: async (cluster, { measure }) => {
    const machines = [
      { name: "killed", parameters: {} },
      { name: "goodbye", parameters: {} },
      { name: "nowayout", parameters: { nowayout: "1" } },
    ] as const;
    await cluster.start(
      machines.map(({ name, parameters }, block) => ({
        name,
        settings: {
          watchdog: watchdogOf("i6300esb", WATCHDOG_S, parameters),
          services: [petter(WATCHDOG_S), workload(name, block)],
        },
      })),
    );
    await Promise.all(
      machines.map(async ({ name }) => await cluster.observer.working(name, 1, 30_000)),
    );
    const closes = async (name: string, signal: "KILL" | "TERM"): Promise<void> => {
      const guest = cluster.guest(name);
      const { bootId } = guest;
      const closedMs = monoMs();
      await guest.signal("pet", signal);
      await guest.reset(closedMs, 30_000);
      const lived = (cluster.observer.life(bootId)?.lastMs ?? 0) - closedMs;
      measure(`${name}: from SIG${signal} to last write, W = ${WATCHDOG_S} s`, lived);
      assert.ok(lived > 3500 && lived < 5500, `${name} lived ${lived} ms after SIG${signal}`);
    };
    const disarms = async (name: string): Promise<void> => {
      const guest = cluster.guest(name);
      const closedMs = monoMs();
      await guest.signal("pet", "TERM");
      await elapse(3 * WATCHDOG_S * 1000);
      const stillMs = cluster.observer.life(guest.bootId)?.lastMs ?? 0;
      measure(`${name}: disarmed, still at work after`, stillMs - closedMs);
      assert.ok(monoMs() - stillMs < 1000, `${name} stopped working though it was disarmed`);
      assert.equal(guest.boots.length, 1);
    };
    await Promise.all([closes("killed", "KILL"), disarms("goodbye"), closes("nowayout", "TERM")]);
  },
};
