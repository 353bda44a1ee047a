import assert from "node:assert/strict";
import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/**
 * The node can be told nothing and can tell nothing. It comes back, and neither disk nor network do,
 * so that only the bound proves its death.
 */
export const bothLost: Scenario = {
  number: 6,
  name: "a node without disk and API resets itself within T + 2W, and is declared dead by the bound",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "kubernetes",
      onStorageLoss: "SurviveWithApi",
    });
    const { longestLifeMs, msgwaitMs } = guarded.timing;
    const lostMs = monoMs();
    guarded.guest("a").sbdPort.inject({ operations: "all", effect: { kind: "eio" } });
    await guarded.plane?.cut("a");
    play.tell("a loses its disk and its network", lostMs);
    const fencing = await guarded.fence("a");
    const durableMs = await fencing.durable(30_000);
    const death = await guarded.death("a", lostMs, 4 * longestLifeMs);
    guarded.judgeDeath("from the loss", lostMs, death, longestLifeMs, guarded.longestLifeSum);
    const declared = await fencing.declared(3 * msgwaitMs + 60_000);
    assert.equal(declared.kind, "Bounded");
    play.measure("from the durable message to the declared death", declared.atMs - durableMs, {
      fromMs: msgwaitMs,
      why: "silence proves nothing before M",
    });
    guarded.judgeDeclaration(death.bootId, declared.atMs);
    await guarded.everybodyElseLives("a");
  },
};
