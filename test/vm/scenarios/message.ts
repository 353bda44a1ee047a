import type { Scenario } from "../scenario.ts";
import { GuardedCluster } from "../guarded-cluster.ts";
import { judgeProvenDeath } from "../proven-death.ts";

/** The ordinary case, from the request to the new boot. */
export const message: Scenario = {
  number: 1,
  name: "a healthy node is ordered dead: it acknowledges, is reset, and only then declared dead",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "kubernetes" });
    const fencing = await guarded.fence("a");
    await judgeProvenDeath(guarded, "a", fencing);
    await guarded.everybodyElseLives("a");
  },
};
