import assert from "node:assert/strict";
import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/** The network is fine: only the device is gone. */
export const storageLossSelfFence: Scenario = {
  number: 3,
  name: "SelfFence: a node that loses its disk and still reaches the API resets itself",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "kubernetes" });
    const lostMs = monoMs();
    guarded.guest("a").sbdPort.inject({ operations: "all", effect: { kind: "eio" } });
    play.tell("a loses its disk", lostMs);
    const { longestLifeMs } = guarded.timing;
    const death = await guarded.death("a", lostMs, 4 * longestLifeMs);
    guarded.judgeDeath("from the loss", lostMs, death, longestLifeMs, guarded.longestLifeSum);
    await guarded.everybodyElseLives("a");
  },
};

/** The same under the other mode, for three times as long as a node would live without a vouch. */
export const storageLossSurvives: Scenario = {
  number: 3,
  name: "SurviveWithApi: a node that loses its disk and still reaches the API lives on",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "kubernetes",
      onStorageLoss: "SurviveWithApi",
    });
    const guest = guarded.guest("a");
    guest.sbdPort.inject({ operations: "all", effect: { kind: "eio" } });
    play.tell("a loses its disk");
    await guarded.nobodyDies(3 * guarded.timing.longestLifeMs);
    const healedMs = monoMs();
    guest.sbdPort.heal();
    await guarded.ready(["a"], healedMs);
    play.measure("from the disk's return to a heartbeat that all can see", monoMs() - healedMs);
    assert.equal(guest.boots.length, 1);
  },
};

/** The array fails for everybody at once. */
export const arrayLoss: Scenario = {
  number: 13,
  name: "SurviveWithApi: all nodes lose the disk for longer than T + 2W, and nobody dies",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "kubernetes",
      onStorageLoss: "SurviveWithApi",
    });
    for (const guest of cluster.guests) {
      guest.sbdPort.inject({ operations: "all", effect: { kind: "eio" } });
    }
    play.tell("all lose the disk");
    await guarded.nobodyDies(2 * guarded.timing.longestLifeMs);
    const healedMs = monoMs();
    for (const guest of cluster.guests) guest.sbdPort.heal();
    play.tell("the disk is back");
    await guarded.nobodyDies(guarded.timing.longestLifeMs);
    await guarded.ready(
      cluster.guests.map(({ name }) => name),
      healedMs,
    );
  },
};
