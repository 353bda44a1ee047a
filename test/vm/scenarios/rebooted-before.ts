import assert from "node:assert/strict";
import { elapse } from "../bounded.ts";
import { GuardedCluster } from "../guarded-cluster.ts";
import { monoMs } from "../monotonic.ts";
import { workload } from "../self-checks/stand-ins.ts";
import type { Scenario } from "../scenario.ts";

const BOOT_BOUND_MS = 120_000;

/**
 * The slot shows the old boot, armed and silent, while a new one works: the trap in which a running
 * node is declared dead. The message reaches the new boot once its agent has come.
 */
export const rebootedBefore: Scenario = {
  number: 18,
  name: "a node that booted before the message, its agent late, is not declared dead while it works",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, { control: "kubernetes" });
    const guest = guarded.guest("a");
    const agentlessSettings = { ...guarded.settingsOf("a"), services: [workload("a", 0)] };
    guest.configure(agentlessSettings);
    const sinceMs = guest.boots.at(-1)?.atMs ?? 0;
    await guest.pressReset();
    const second = await guest.booted(sinceMs, BOOT_BOUND_MS);
    await cluster.observer.nextLife(30_000, "work of the second boot", ({ bootId }) => {
      return bootId === second.bootId;
    });
    play.tell("a runs again, without an agent", second.atMs);
    const fencing = await guarded.fence("a");
    await fencing.durable(30_000);
    // Twice M: the bound, the wait after NoExecute, and as much again.
    await elapse(2 * guarded.timing.msgwaitMs);
    assert.equal(
      fencing.declaredYet(),
      undefined,
      "a new boot works, and nothing proves its death",
    );
    play.measure("not declared dead, though silent, for", 2 * guarded.timing.msgwaitMs);
    const startedMs = monoMs();
    const agent = guarded.agentOf("a");
    const environment = Object.entries(agent.environment).map(
      ([key, value]) => `${key}='${value}'`,
    );
    const words = agent.argv.map((word) => `'${word}'`);
    guest.configure(guarded.settingsOf("a"));
    await guest.shell(
      `env ${environment.join(" ")} ${words.join(" ")} >/dev/console 2>&1 </dev/null & echo $!`,
    );
    play.tell("the agent of a is started at last");
    const death = await guarded.death("a", startedMs, 180_000);
    assert.equal(death.bootId, second.bootId);
    const declared = await fencing.declared(180_000);
    guarded.judgeDeclaration(second.bootId, declared.atMs);
    await guarded.everybodyElseLives("a");
  },
};
