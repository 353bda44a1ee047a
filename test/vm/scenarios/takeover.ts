import assert from "node:assert/strict";
import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/** The target can read nothing, so that the proof takes M, and time enough to lose who waits for it. */
export const takeover: Scenario = {
  number: 22,
  name: "the leading operator is killed and the fencing node loses its power: others finish",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "kubernetes" });
    const { plane } = guarded;
    if (plane === undefined) throw new Error("This scenario is about the control plane.");
    const { longestLifeMs, msgwaitMs } = guarded.timing;
    const lostMs = monoMs();
    guarded.guest("a").sbdPort.inject({ operations: "all", effect: { kind: "eio" } });
    await plane.cut("a");
    play.tell("a loses its disk and its network", lostMs);
    const fencing = await guarded.fence("a");
    const named = await plane.eventWithin("fencer-named", fencing.requestedMs, 30_000);
    assert.ok(named.kind === "fencer-named");
    const durableMs = await fencing.durable(30_000);
    const leader = plane.killLeader();
    await guarded.guest(named.agent).cutPower();
    play.tell(`operator ${leader} is killed, and ${named.agent} loses its power`);
    const death = await guarded.death("a", lostMs, 4 * longestLifeMs);
    guarded.judgeDeath("from the loss", lostMs, death, longestLifeMs, guarded.longestLifeSum);
    const declared = await fencing.declared(6 * msgwaitMs + 120_000);
    play.measure("from the durable message to the declared death", declared.atMs - durableMs, {
      fromMs: msgwaitMs,
      why: "silence proves nothing before M",
    });
    guarded.judgeDeclaration(death.bootId, declared.atMs);
    const last = plane.lastNamed();
    assert.notEqual(last, named.agent, "another agent finished");
    play.find(`${named.agent} began, ${last} finished (${declared.kind})`);
    await guarded.everybodyElseLives("a", named.agent);
  },
};
