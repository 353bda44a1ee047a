import assert from "node:assert/strict";
import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/** A half-dead path: what a node reads looks healthy, and nobody hears from it. */
export const writesFail: Scenario = {
  number: 5,
  name: "a node that can read its device and not write it resets itself, and serves again afterwards",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "device" });
    const guest = guarded.guest("a");
    const failsMs = monoMs();
    guest.sbdPort.inject({ operations: "writes", effect: { kind: "eio" } });
    play.tell("writes of a fail", failsMs);
    const { longestLifeMs } = guarded.timing;
    const death = await guarded.death("a", failsMs, 4 * longestLifeMs);
    guarded.judgeDeath(
      "from the first failure",
      failsMs,
      death,
      longestLifeMs,
      guarded.longestLifeSum,
    );
    guest.sbdPort.heal();
    await guarded.returns("a", death);
    await guarded.everybodyElseLives("a");
    assert.equal(guest.boots.length, 2, "it was reset once");
  },
};
