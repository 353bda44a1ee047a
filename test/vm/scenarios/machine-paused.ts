import { GuardedCluster } from "../guarded-cluster.ts";
import { elapse } from "../bounded.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/**
 * The limit of every proof by waiting, outside the claim: a pause stops the guest's watchdog as well.
 * Only what happens is told; it is no failure.
 */
export const pausedPastBound: Scenario = {
  number: 11,
  name: "a machine paused past M is declared dead, and what it does when it is resumed is measured",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "kubernetes" });
    const guest = guarded.guest("a");
    const { bootId } = guest;
    await guest.pause();
    play.tell("a is paused");
    const fencing = await guarded.fence("a");
    const declared = await fencing.declared(3 * guarded.timing.msgwaitMs + 60_000);
    const before = cluster.observer.life(bootId)?.writes ?? 0;
    const resumedMs = monoMs();
    await guest.resume();
    play.tell("a is resumed", resumedMs);
    const end = await Promise.race([
      guarded.death("a", resumedMs, 4 * guarded.timing.longestLifeMs),
      elapse(2 * guarded.timing.longestLifeMs).then(() => undefined),
    ]);
    const life = cluster.observer.life(bootId);
    const writes = (life?.writes ?? 0) - before;
    play.measure("from the pause's end to the last write", (life?.lastMs ?? 0) - resumedMs);
    play.find(
      `declared dead (${declared.kind}) while paused; resumed, it wrote ${writes} times more and ` +
        `${end === undefined ? "went on running" : "was reset"}. Where machines can be paused for ` +
        `longer than M, pausableNodes: Refuse takes no time-based proof.`,
    );
    await guarded.everybodyElseLives("a");
  },
};
