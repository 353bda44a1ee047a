import assert from "node:assert/strict";
import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/** Long enough that the node does not die of the failing writes before it reads the message. */
const TIMEOUT_S = 30;
/** Past everything that the device's format uses. */
const CACHED_FROM = 3 << 20;

/**
 * reboot(2) would stop the watchdog and then wait for ever for the disk's cache. The kernel stops
 * watchdogs at a reboot here, as nearly everywhere, so that the agent must not take that way.
 */
export const rebootMethod: Scenario = {
  number: 25,
  name: "systemctl-reboot with a dead disk behind a write-back cache: the node dies within the bound",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "device",
      timeoutSeconds: TIMEOUT_S,
      agentEnvironment: { SBD_REBOOT_METHOD: "systemctl-reboot" },
    });
    const guest = guarded.guest("a");
    await guest.shell(
      "printf '#!/bin/sh\\necho systemctl \"$@\" >/dev/console\\nexec reboot -f\\n' >/usr/bin/systemctl; " +
        "chmod 755 /usr/bin/systemctl",
    );
    const hangsMs = monoMs();
    // Heartbeats fail at once, so that the agent goes on reading; what the cache holds hangs.
    guest.sbdPort.inject(
      {
        operations: "writes",
        range: { fromByte: 0, toByte: CACHED_FROM },
        effect: { kind: "eio" },
      },
      { operations: "writes", effect: { kind: "hang" } },
    );
    await guest.shell(
      `dd if=/dev/zero of=/dev/sbd-watchdog bs=4096 seek=${CACHED_FROM / 4096} count=64 ` +
        "conv=notrunc 2>/dev/null >/dev/null & echo $!",
    );
    play.tell("writes of a fail, and some hang in its cache", hangsMs);
    const fencing = await guarded.fence("a");
    const durableMs = await fencing.durable(20_000);
    const { longestLifeSum } = guarded;
    const { longestLifeMs } = guarded.timing;
    const death = await guarded.death("a", durableMs, 4 * longestLifeMs);
    guarded.judgeDeath("from the durable message", durableMs, death, longestLifeMs, longestLifeSum);
    const { lines } = guest.console;
    assert.ok(
      lines.some(({ text }) => /rebootMethod systemctl-reboot: the kernel stops/.test(text)),
      "the agent of a warned when it started",
    );
    assert.ok(!lines.some(({ text }) => text.startsWith("systemctl ")), "nobody called systemctl");
    guest.sbdPort.heal();
    const declared = await fencing.declared(180_000);
    guarded.judgeDeclaration(death.bootId, declared.atMs);
    await guarded.everybodyElseLives("a");
  },
};
