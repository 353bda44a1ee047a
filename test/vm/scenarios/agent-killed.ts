import assert from "node:assert/strict";
import { elapse } from "../bounded.ts";
import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/** An emulated processor starts Node in 2 to 4 s, which a restarted agent must do within W. */
const WATCHDOG_S = 10;
/** Before the watchdog fires, when the second agent is killed: closing pets once more. */
const JUST_BEFORE_MS = 1500;

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
    await elapse(watchdogMs - JUST_BEFORE_MS);
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
      death.resetMs - stoppedMs > watchdogMs + JUST_BEFORE_MS,
      "closing petted: it lived longer than one W",
    );
    await guarded.everybodyElseLives("b");
  },
};
