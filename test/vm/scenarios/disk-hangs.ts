import assert from "node:assert/strict";
import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/** The order is given while nothing can be read. The write that hung lands once the node is dead. */
export const diskHangs: Scenario = {
  number: 4,
  name: "a node whose disk hangs resets itself, and its new boot proves the death of the old one",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "device" });
    const guest = guarded.guest("a");
    const hangsMs = monoMs();
    guest.sbdPort.inject({ operations: "all", effect: { kind: "hang" } });
    play.tell("the disk of a hangs", hangsMs);
    const fencing = await guarded.fence("a");
    const { longestLifeMs } = guarded.timing;
    const death = await guarded.death("a", hangsMs, 4 * longestLifeMs);
    guarded.judgeDeath("from the hang", hangsMs, death, longestLifeMs, guarded.longestLifeSum);
    assert.equal(fencing.declaredYet(), undefined, "nothing proves this death yet");
    guest.sbdPort.heal();
    play.tell("the disk of a answers again");
    const declared = await fencing.declared(120_000);
    assert.equal(declared.kind, "Rebooted");
    guarded.judgeDeclaration(death.bootId, declared.atMs);
    await guarded.ready(["a"]);
    await guarded.everybodyElseLives("a");
    assert.equal(guest.boots.length, 2, "it was reset once");
  },
};
