import { listAt, textAt } from "../../../src/kube/kube-object.ts";
import { elapse } from "../../vm/bounded.ts";
import { monoMs } from "../../vm/monotonic.ts";
import { NOBODY_DIED } from "../cluster-scenario.ts";
import type { ClusterScenario } from "../cluster-scenario.ts";
import { NODE_NAMES } from "../real-cluster.ts";

const REBOOT_BOUND_MS = 180_000;

export const rebootedInOrder: ClusterScenario = {
  name: "rebooted",
  sentence: "a node is rebooted with everything running: no other reset, and nothing left of it",
  async run(cluster, play) {
    const { real } = cluster;
    const target = cluster.workloadNode();
    const machine = real.machine(target);
    const bootsBefore = machine.boots.length;
    const fromMs = monoMs();
    // The answer is lost with the boot.
    await machine.tryShell("sync; busybox reboot -f").catch(() => undefined);
    play.tell(`${target} is rebooted`, fromMs);
    const boot = await machine.booted(fromMs, REBOOT_BOUND_MS);
    play.measure("rebooted to up again", boot.atMs - fromMs);
    await real.chronicle.until("its Node to show the new boot", REBOOT_BOUND_MS, () => {
      const bootID = textAt(real.node(target), "status", "nodeInfo", "bootID");
      return bootID === boot.bootId ? true : undefined;
    });
    await cluster.armed(play, NODE_NAMES);
    await elapse(cluster.timing.msgwaitMs);
    cluster.judgeOthers(fromMs, target);
    if (machine.boots.length !== bootsBefore + 1) throw new Error(`${target} was reset once more.`);
    const left = NODE_NAMES.flatMap((name) =>
      listAt(real.node(name), "spec", "taints").map(String),
    );
    if (left.length > 0) throw new Error(`taints are left: ${left.join(", ")}`);
    play.measure("watched after that, and nobody was reset", monoMs() - boot.atMs);
    return NOBODY_DIED;
  },
};
