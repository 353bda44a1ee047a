import assert from "node:assert/strict";
import { elapse } from "../bounded.ts";
import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/** A restarted agent must pet within W, and an emulated processor takes 3 to 9 s to start one. */
const WATCHDOG_S = 20;

export const messageDuringRestart: Scenario = {
  number: 15,
  name: "a message written while the target's agent is away is obeyed by the next one",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "device",
      watchdogSeconds: WATCHDOG_S,
      agentRestart: { a: 3 },
    });
    const { longestLifeMs } = guarded.timing;
    const nodeID = guarded.nodeID("a");
    const startID = guarded.watch.heartbeat(nodeID)?.startID;
    const killedMs = monoMs();
    await guarded.guest("a").signal("agent", "KILL");
    play.tell("the agent of a is killed", killedMs);
    const fencing = await guarded.fence("a");
    const durableMs = await fencing.durable(30_000);
    const next = guarded.watch.events.find(
      (event) =>
        event.kind === "heartbeat" && event.nodeID === nodeID && event.record.startID !== startID,
    );
    assert.equal(next, undefined, "the message was there before the next agent");
    const death = await guarded.death("a", durableMs, 4 * longestLifeMs);
    const { longestLifeSum } = guarded;
    guarded.judgeDeath("from the durable message", durableMs, death, longestLifeMs, longestLifeSum);
    const declared = await fencing.declared(180_000);
    guarded.judgeDeclaration(death.bootId, declared.atMs);
    await guarded.returns("a", death);
    await guarded.everybodyElseLives("a");
  },
};

/** SIGTERM, the next agent, and only then the next node. */
export const rollingRestart: Scenario = {
  number: 23,
  name: "all agents are restarted one after the other, and nobody is reset",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "kubernetes",
      watchdogSeconds: WATCHDOG_S,
    });
    const names = cluster.guests.map(({ name }) => name);
    for (const name of names) {
      const nodeID = guarded.nodeID(name);
      const startID = guarded.watch.heartbeat(nodeID)?.startID;
      const endedMs = monoMs();
      await guarded.guest(name).signal("agent", "TERM");
      const back = await guarded.watch.first(`${name}'s agent`, endedMs, 60_000, (event) => {
        return (
          event.kind === "heartbeat" &&
          event.nodeID === nodeID &&
          event.record.startID !== startID &&
          event.record.armed
        );
      });
      play.measure(
        `${name}: from SIGTERM to the next agent's armed heartbeat`,
        back.atMs - endedMs,
      );
      await guarded.ready(names);
    }
    await guarded.nobodyDies(guarded.timing.longestLifeMs);
  },
};

/** Killed every two seconds, so that none of them lives for T. */
export const crashLoop: Scenario = {
  number: 24,
  name: "a node whose agent crashes in a loop while its storage is dead is reset",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "device" });
    const { longestLifeMs } = guarded.timing;
    const guest = guarded.guest("a");
    const lostMs = monoMs();
    guest.sbdPort.inject({ operations: "all", effect: { kind: "eio" } });
    play.tell("a loses its disk, and its agent is killed every two seconds", lostMs);
    await guest.shell(
      "while sleep 2; do kill -9 -$(cat /run/vm/agent.pid); done >/dev/null 2>&1 & echo $!",
    );
    const death = await guarded.death("a", lostMs, 4 * longestLifeMs);
    guarded.judgeDeath("from the loss", lostMs, death, longestLifeMs, guarded.longestLifeSum);
    guest.sbdPort.heal();
    await guarded.returns("a", death);
    await elapse(1000);
    await guarded.everybodyElseLives("a");
  },
};
