import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";

/** All its threads stand still, the petter's with them, and nothing is closed. */
export const agentStopped: Scenario = {
  number: 8,
  name: "a node whose agent is stopped is reset by its watchdog within W",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "device" });
    const stoppedMs = monoMs();
    await guarded.guest("a").signal("agent", "STOP");
    play.tell("the agent of a is stopped");
    const { longestLifeMs } = guarded.timing;
    const death = await guarded.death("a", stoppedMs, 4 * longestLifeMs);
    guarded.judgeWatchdog("from the stop", stoppedMs, death);
    await guarded.returns("a", death);
    await guarded.everybodyElseLives("a");
  },
};

export const kernelPanics: Scenario = {
  number: 9,
  name: "a node whose kernel panics is reset by its watchdog within W",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "device" });
    const askedMs = monoMs();
    // The answer, if any, is lost with the boot.
    void guarded
      .guest("a")
      .tryShell("echo c >/proc/sysrq-trigger", 1000)
      .catch(() => undefined);
    const panic = await guarded.guest("a").console.waitFor(/Kernel panic/, askedMs, 20_000);
    play.tell("the kernel of a panics", panic.atMs);
    const death = await guarded.death("a", askedMs, 4 * guarded.timing.longestLifeMs);
    guarded.judgeWatchdog("from the panic", panic.atMs, death);
    await guarded.returns("a", death);
    await guarded.everybodyElseLives("a");
  },
};

/** Above the petter's own priority, and without the share that the kernel keeps for the others. */
export const processorHogged: Scenario = {
  number: 10,
  name: "a node whose one processor is taken by a real-time program is reset within W",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "device" });
    const guest = guarded.guest("a");
    await guest.shell("echo -1 >/proc/sys/kernel/sched_rt_runtime_us");
    const takenMs = monoMs();
    void guest.tryShell("exec chrt -f 99 sh -c 'while :; do :; done'", 1000).catch(() => undefined);
    play.tell("a real-time program takes the processor of a", takenMs);
    const death = await guarded.death("a", takenMs, 4 * guarded.timing.longestLifeMs);
    guarded.judgeWatchdog("from its start", takenMs, death);
    await guarded.returns("a", death);
    await guarded.everybodyElseLives("a");
  },
};
