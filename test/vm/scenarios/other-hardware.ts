import assert from "node:assert/strict";
import { EMULATION_MS } from "../allowance.ts";
import { GuardedCluster } from "../guarded-cluster.ts";
import { guestBundle } from "../initramfs.ts";
import { monoMs } from "../monotonic.ts";
import { judgeProvenDeath } from "../proven-death.ts";
import type { Scenario } from "../scenario.ts";
import { workload } from "../self-checks/stand-ins.ts";

export const softdog: Scenario = {
  number: 19,
  name: "softdog: a node whose agent is stopped is reset within W, and one that is told dies at once",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "device",
      watchdog: { driver: "softdog", parameters: {} },
    });
    const stoppedMs = monoMs();
    await guarded.guest("a").signal("agent", "STOP");
    play.tell("the agent of a is stopped");
    const death = await guarded.death("a", stoppedMs, 4 * guarded.timing.longestLifeMs);
    guarded.judgeWatchdog("from the stop", stoppedMs, death);
    await guarded.returns("a", death);
    await judgeProvenDeath(guarded, "b", await guarded.fence("b"));
    await guarded.everybodyElseLives("a", "b");
  },
};

/** An emulated processor starts Node in 2 to 4 s; after SIGTERM the agent stretches its watchdog. */
export const nowayout: Scenario = {
  number: 20,
  name: "nowayout: an agent told to end leaves its node to the next one; a stopped one costs it",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "device",
      watchdog: { driver: "i6300esb", parameters: { nowayout: "1" } },
    });
    const nodeID = guarded.nodeID("b");
    const startID = guarded.watch.heartbeat(nodeID)?.startID;
    const endedMs = monoMs();
    await guarded.guest("b").signal("agent", "TERM");
    play.tell("the agent of b is told to end");
    const back = await guarded.watch.first("b's next agent", endedMs, 60_000, (event) => {
      return (
        event.kind === "heartbeat" &&
        event.nodeID === nodeID &&
        event.record.startID !== startID &&
        event.record.armed
      );
    });
    play.measure("from SIGTERM to the next agent's armed heartbeat", back.atMs - endedMs);
    await guarded.ready(["b"]);
    const stoppedMs = monoMs();
    await guarded.guest("a").signal("agent", "STOP");
    play.tell("the agent of a is stopped");
    const death = await guarded.death("a", stoppedMs, 4 * guarded.timing.longestLifeMs);
    guarded.judgeWatchdog("from the stop", stoppedMs, death);
    await guarded.returns("a", death);
    await guarded.everybodyElseLives("a");
  },
};

export const largeBlocks: Scenario = {
  number: 21,
  name: "blocks of 4096 bytes: a healthy node is ordered dead as on any other disk",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "device",
      blockBytes: 4096,
    });
    const sysfs = "cat /sys/class/block/$(basename $(readlink /dev/sbd-watchdog))/queue";
    assert.equal(await guarded.guest("a").shell(`${sysfs}/logical_block_size`), "4096");
    const { death } = await judgeProvenDeath(guarded, "a", await guarded.fence("a"));
    await guarded.returns("a", death);
    await guarded.everybodyElseLives("a");
  },
};

const TESTED_S = 5;
/** The driver takes no less than 3 s, and half of W is what it is set to. */
const TCO_WATCHDOG_S = 8;

/** The driver resets at its second expiry, so that the agent must set half of W. */
export const tco: Scenario = {
  number: 26,
  name: "iTCO_wdt: the reset comes within W, and sbdctl watchdog test measures twice what it reports",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "device",
      names: ["a", "b"],
      watchdogSeconds: TCO_WATCHDOG_S,
      watchdog: { driver: "iTCO_wdt", parameters: {} },
    });
    const guest = guarded.guest("a");
    guest.configure({ ...guarded.settingsOf("a"), services: [workload("a", 0)] });
    const stoppedMs = monoMs();
    await guest.signal("agent", "STOP");
    play.tell("the agent of a is stopped");
    const death = await guarded.death("a", stoppedMs, 4 * guarded.timing.longestLifeMs);
    guarded.judgeWatchdog("from the stop", stoppedMs, death);
    const boot = await guest.booted(death.resetMs, 120_000);
    await cluster.observer.nextLife(30_000, "work of a", ({ bootId }) => bootId === boot.bootId);

    const askedMs = monoMs();
    // The answer is lost with the boot.
    void guest
      .tryShell(
        `node ${guestBundle}/sbd.mjs ctl watchdog test --reset --yes ` +
          `--timeout-seconds ${TESTED_S} >/dev/console 2>&1`,
        120_000,
      )
      .catch(() => undefined);
    const pet = await guest.console.waitFor(/0\.\d s since the last pet/, askedMs, 60_000);
    play.tell("sbdctl has petted for the last time", pet.atMs);
    const tested = await guarded.death("a", pet.atMs, 120_000);
    play.measure(
      `sbdctl watchdog test: set to ${TESTED_S} s, from its last pet to the last write`,
      tested.lastWorkMs - pet.atMs,
      {
        fromMs: 2 * TESTED_S * 1000 - EMULATION_MS,
        toMs: 2 * TESTED_S * 1000 + EMULATION_MS,
        why: `2 × ${TESTED_S} s, give or take 1.5 s for emulation`,
      },
    );
    const said = guest.console.lines.findLast(
      ({ text, atMs }) => atMs < tested.resetMs && text.includes("since the last pet"),
    );
    play.find(`the last line on the console of a: '${said?.text ?? "none"}'`);
    await guarded.everybodyElseLives("a");
  },
};

const SLEWED_MS = 60_000;

/** The largest slew that adjtimex takes, as an NTP client in trouble uses. */
export const slewedClocks: Scenario = {
  number: 27,
  name: "clocks slewed by 10 % either way change nothing",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "device" });
    await guarded.guest("a").shell("adjtimex -q -t 11000");
    await guarded.guest("b").shell("adjtimex -q -t 9000");
    for (const name of ["a", "b"]) {
      const shown = await guarded.guest(name).shell("adjtimex | grep tick");
      assert.match(shown, name === "a" ? /11000/ : /9000/);
    }
    play.tell("the clock of a runs 10 % fast, that of b 10 % slow");
    await guarded.nobodyDies(SLEWED_MS);
    const stoppedMs = monoMs();
    await guarded.guest("b").signal("agent", "STOP");
    const death = await guarded.death("b", stoppedMs, 4 * guarded.timing.longestLifeMs);
    guarded.judgeWatchdog("from the stop of b's agent", stoppedMs, death);
    await judgeProvenDeath(guarded, "a", await guarded.fence("a"));
    await guarded.everybodyElseLives("a", "b");
  },
};
