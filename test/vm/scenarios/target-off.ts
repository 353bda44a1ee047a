import assert from "node:assert/strict";
import { elapse } from "../bounded.ts";
import { GuardedCluster } from "../guarded-cluster.ts";
import type { Scenario } from "../scenario.ts";

/** Its power is cut, so that nobody reads the message. */
export const targetOff: Scenario = {
  number: 14,
  name: "a message written while its target is off proves nothing until the node runs again, and harms no new boot",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "device" });
    const { bootId } = guarded.guest("a");
    await guarded.guest("a").cutPower();
    play.tell("the power of a is cut");
    const fencing = await guarded.fence("a");
    await fencing.durable(30_000);
    await elapse(guarded.timing.msgwaitMs);
    assert.equal(fencing.declaredYet(), undefined, "a fencer without a cluster takes no silence");
    await cluster.start([{ name: "a", settings: guarded.settingsOf("a") }]);
    play.tell("a is on again");
    const declared = await fencing.declared(120_000);
    assert.equal(declared.kind, "Rebooted");
    guarded.judgeDeclaration(bootId, declared.atMs);
    await guarded.ready(["a"]);
    await guarded.staysUp("a", guarded.timing.longestLifeMs);
    await guarded.everybodyElseLives("a");
  },
};
