import assert from "node:assert/strict";
import { elapse } from "../bounded.ts";
import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/** A restarted agent must pet within W, and an emulated processor takes 3 to 9 s to start one. */
const WATCHDOG_S = 20;
/** Its last pet may have been W/4 before it was stopped; with a second to spare it is killed then. */
const BEFORE_IT_FIRES_MS = (WATCHDOG_S * 1000) / 4 + 1000;

export const agentKilled: Scenario = {
  number: 7,
  name: "a killed agent that returns keeps its node; one killed just before W and gone costs it",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "device",
      watchdogSeconds: WATCHDOG_S,
      agentRestart: { b: "never" },
    });
    const { longestLifeMs, watchdogMs } = guarded.timing;
    const killedMs = monoMs();
    await guarded.guest("a").signal("agent", "KILL");
    play.tell("the agent of a is killed", killedMs);

    const stoppedMs = monoMs();
    await guarded.guest("b").signal("agent", "STOP");
    play.tell("the agent of b is stopped", stoppedMs);
    await elapse(watchdogMs - BEFORE_IT_FIRES_MS);
    await guarded.guest("b").signal("agent", "KILL");
    play.tell("the agent of b is killed just before its watchdog fires");

    const nodeID = guarded.nodeID("a");
    const back = await guarded.watch.first("the return of a's agent", killedMs, 30_000, (event) => {
      return event.kind === "heartbeat" && event.nodeID === nodeID && event.record.armed;
    });
    play.measure("from the kill to an armed heartbeat of the next agent", back.atMs - killedMs);
    const death = await guarded.death("b", stoppedMs, 4 * longestLifeMs);
    guarded.judgeDeath("from b's stop", stoppedMs, death, longestLifeMs, guarded.longestLifeSum);
    assert.ok(
      death.resetMs - stoppedMs > watchdogMs + 1000,
      "closing petted: it lived longer than one W",
    );
    await guarded.everybodyElseLives("b");
  },
};
