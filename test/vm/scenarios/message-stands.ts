import assert from "node:assert/strict";
import { GuardedCluster } from "../guarded-cluster.ts";
import { judgeProvenDeath } from "../proven-death.ts";
import type { Scenario } from "../scenario.ts";

/** Nobody clears the message: the new boot reads it at its first pass and at every later one. */
export const messageStands: Scenario = {
  number: 17,
  name: "a node boots with its old message still standing, and stays up",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "device" });
    const { death } = await judgeProvenDeath(guarded, "a", await guarded.fence("a"));
    await guarded.returns("a", death);
    play.tell("a is armed again, and the message stands");
    const fences = guarded.watch.events.filter((event) => event.kind === "fence");
    assert.equal(fences.length, 1, "the message is the one that it died of");
    await guarded.everybodyElseLives("a");
    await guarded.staysUp("a", guarded.timing.longestLifeMs + guarded.timing.msgwaitMs);
  },
};
