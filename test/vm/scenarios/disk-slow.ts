import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

const SLOW_MS = 200;
const FOR_MS = 120_000;

/** Every request of everybody waits 200 ms, while each guest reads the device as fast as it can. */
export const diskSlow: Scenario = {
  number: 12,
  name: "every I/O takes 200 ms for two minutes under load, and nobody dies",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "device" });
    for (const guest of cluster.guests) {
      guest.sbdPort.inject({ operations: "all", effect: { kind: "delay", ms: SLOW_MS } });
      await guest.shell(
        "while :; do dd if=/dev/sbd-watchdog of=/dev/null bs=64k iflag=direct 2>/dev/null; done " +
          ">/dev/null 2>&1 & echo $!",
      );
    }
    const slowMs = monoMs();
    play.tell(`every I/O takes ${SLOW_MS} ms, and all guests read the device in a loop`);
    await guarded.nobodyDies(FOR_MS);
    const slowest = guarded.slowestPass(slowMs);
    play.measure("the slowest pass that an agent reported", slowest, {
      fromMs: SLOW_MS,
      toMs: guarded.timing.timeoutMs,
      why: "it was slowed down, and a good pass is younger than T when it ends",
    });
  },
};
