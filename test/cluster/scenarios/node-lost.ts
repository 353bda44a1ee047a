import { SYSTEM_NAMESPACE } from "../../../src/api/group.ts";
import { SBD_REMEDIATION } from "../../../src/api/sbd-remediation.ts";
import { textAt } from "../../../src/kube/kube-object.ts";
import type { KubeObject } from "../../../src/kube/kube-object.ts";
import { monoMs } from "../../vm/monotonic.ts";
import type { Play } from "../../vm/scenario.ts";
import type { ClusterScenario } from "../cluster-scenario.ts";
import { conditionOf } from "../installed-cluster.ts";
import type { InstalledCluster } from "../installed-cluster.ts";

/** Node controller's grace of 50 s, its round, and a moment. */
const NOT_READY_BOUND_MS = 120_000;
/** A new boot under emulation, and the operator's next look. */
const REBOOT_BOUND_MS = 300_000;
const START_BOUND_MS = 300_000;

/** How a node is lost. */
type Loss = {
  readonly name: string;
  readonly sentence: string;
  /** The node that is to go; without it the workload's. */
  readonly target?: (cluster: InstalledCluster) => Promise<string>;
  readonly lose: (cluster: InstalledCluster, target: string) => Promise<void>;
  /** What was done to it, of its name. */
  readonly lost: (target: string) => string;
  /** Gives back what a reset alone does not. */
  readonly giveBack: (cluster: InstalledCluster, target: string) => Promise<void>;
};

export const networkCut = nodeLost({
  name: "network-cut",
  sentence:
    "the network of the workload's node is cut: proven dead, and only then its pod elsewhere",
  lose: async ({ real }, target) => await real.machine(target).cutNetwork(),
  lost: (target) => `the network of ${target} is cut`,
  giveBack: async ({ real }, target) => await real.machine(target).restoreNetwork(),
});

export const powerCut = nodeLost({
  name: "power-cut",
  sentence: "the power of the workload's node is cut and comes back: proven dead by its silence",
  lose: async ({ real }, target) => await real.machine(target).cutPower(),
  lost: (target) => `the power of ${target} is cut`,
  giveBack: async ({ real }, target) => await real.startMachines([target]),
});

export const kubeletStopped = nodeLost({
  name: "kubelet-stopped",
  sentence: "the kubelet of the workload's node stops, its pod writes on: reset, and only then",
  lose: async ({ real }, target) => await real.machine(target).signal("kubelet", "STOP"),
  lost: (target) => `the kubelet of ${target} is stopped`,
  giveBack: () => Promise.resolve(),
});

export const diskAndNetworkLost = nodeLost({
  name: "disk-and-network",
  sentence: "the workload's node loses shared disk and network: it resets itself, and is proven so",
  async lose({ real }, target) {
    const machine = real.machine(target);
    machine.sbdPort.inject({ operations: "all", effect: { kind: "eio" } });
    await machine.cutNetwork();
  },
  lost: (target) => `${target} has lost the shared disk and the network`,
  async giveBack({ real }, target) {
    const machine = real.machine(target);
    machine.sbdPort.heal();
    await machine.restoreNetwork();
  },
});

export const operatorLost = nodeLost({
  name: "operator-lost",
  sentence: "the node of the leading operator loses its power: another operator sees to it",
  target: async (cluster) => await cluster.leaderNode(),
  lose: async ({ real }, target) => await real.machine(target).cutPower(),
  lost: (target) => `the power of ${target}, node of the leading operator, is cut`,
  giveBack: async ({ real }, target) => await real.startMachines([target]),
});

/** A node is lost, its fencing asked for, its death proven, and only then what it ran runs elsewhere. */
function nodeLost(loss: Loss): ClusterScenario {
  return {
    name: loss.name,
    sentence: loss.sentence,
    async run(cluster, play) {
      const { real, observer, healthCheck } = cluster;
      const target = (await loss.target?.(cluster)) ?? cluster.workloadNode();
      const life =
        target === cluster.workloadNode() ? await observer.working(target, 1, 10_000) : undefined;
      const lostMs = monoMs();
      await loss.lose(cluster, target);
      play.tell(loss.lost(target), lostMs);
      healthCheck.start();
      const request = await real.chronicle.until("a request", NOT_READY_BOUND_MS, () =>
        real.chronicle.all(SBD_REMEDIATION.kind).at(0),
      );
      const askedMs = monoMs();
      play.tell(
        `${target} is not Ready, and its fencing is asked for: ${request.metadata.name}`,
        askedMs,
      );
      const proven = await provenDead(cluster, request);
      const provenMs = monoMs();
      const evidence = textAt(proven, "status", "fencing", "evidence", "kind");
      play.tell(
        `PROVEN DEAD: ${evidence}, ${textAt(proven, "status", "fencing", "evidence", "detail")}`,
        provenMs,
      );
      play.measure("asked for to proven dead", provenMs - askedMs);
      play.measure("lost to proven dead", provenMs - lostMs);
      if (life !== undefined) await handedOver(cluster, play, life.bootId, provenMs);
      cluster.judgeOthers(lostMs, target);
      await loss.giveBack(cluster, target);
      play.tell(`${target} has back what it had lost`);
      await cluster.healthy(play);
      healthCheck.stop();
      play.tell("all nodes are Ready, armed and without taint");
      cluster.judgeOthers(lostMs, target);
      return { evidence };
    },
  };
}

async function provenDead({ real }: InstalledCluster, request: KubeObject): Promise<KubeObject> {
  const name = request.metadata.name ?? "";
  return await real.chronicle.until("the death to be proven", REBOOT_BOUND_MS, () => {
    const now = real.chronicle.get(SBD_REMEDIATION.kind, name, SYSTEM_NAMESPACE);
    return conditionOf(now, "FencingSucceeded") === "True" ? now : undefined;
  });
}

/** The dead boot has written nothing since the proof, and another node's has since. */
async function handedOver(
  { observer }: InstalledCluster,
  play: Play,
  bootId: string,
  provenMs: number,
): Promise<void> {
  const heir = await observer.nextLife(START_BOUND_MS, "the workload elsewhere", (it) => {
    return it.bootId !== bootId;
  });
  const lastMs = observer.life(bootId)?.lastMs ?? 0;
  play.tell("the last write of the boot that was lost", lastMs);
  play.tell(`the workload writes on ${heir.guest}`, heir.firstMs);
  play.measure("proven dead, after its last write", provenMs - lastMs, {
    fromMs: 0,
    why: "no death is claimed before it has happened",
  });
  play.measure("the workload's first write elsewhere, after the proof", heir.firstMs - provenMs, {
    fromMs: 0,
    why: "work starts elsewhere only after the proof",
  });
  play.measure("without a writer", heir.firstMs - lastMs);
}
