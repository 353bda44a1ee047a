import { GuardedCluster } from "../guarded-cluster.ts";
import { judgeProvenDeath } from "../proven-death.ts";
import type { Scenario } from "../scenario.ts";

export const apiCut: Scenario = {
  number: 2,
  name: "a node cut off from the API lives by its disk, and obeys a message on it",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "kubernetes" });
    await guarded.plane?.cut("a");
    play.tell("a is cut off the network");
    await guarded.nobodyDies(guarded.timing.longestLifeMs);
    await judgeProvenDeath(guarded, "a", await guarded.fence("a"));
    await guarded.everybodyElseLives("a");
  },
};
