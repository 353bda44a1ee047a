import { SBD_REMEDIATION } from "../../../src/api/sbd-remediation.ts";
import { textAt } from "../../../src/kube/kube-object.ts";
import { monoMs } from "../../vm/monotonic.ts";
import type { ClusterScenario } from "../cluster-scenario.ts";
import { conditionOf } from "../installed-cluster.ts";

/** Node controller's grace of 50 s, its round, and a moment. */
const NOT_READY_BOUND_MS = 120_000;
/** A new boot under emulation, and the operator's next look. */
const REBOOT_BOUND_MS = 300_000;
const START_BOUND_MS = 300_000;

export const networkCut: ClusterScenario = {
  name: "network-cut",
  sentence:
    "the network of the workload's node is cut: proven dead, and only then its pod elsewhere",
  async run(cluster, play) {
    const { real, observer, healthCheck } = cluster;
    const target = cluster.workloadNode();
    const life = await observer.working(target, 1, 10_000);
    const cutMs = monoMs();
    await real.machine(target).cutNetwork();
    play.tell(`the network of ${target} is cut`, cutMs);
    healthCheck.start();
    const request = await real.chronicle.until("a request", NOT_READY_BOUND_MS, () =>
      real.chronicle.all(SBD_REMEDIATION.kind).at(0),
    );
    const askedMs = monoMs();
    play.tell(`${target} is not Ready, and its fencing is asked for: ${request.metadata.name}`);
    const current = (): typeof request | undefined =>
      real.chronicle.get(SBD_REMEDIATION.kind, request.metadata.name ?? "", "sbd-system");
    const proven = await real.chronicle.until("the death to be proven", REBOOT_BOUND_MS, () => {
      const now = current();
      return conditionOf(now, "FencingSucceeded") === "True" ? now : undefined;
    });
    const provenMs = monoMs();
    const evidence = textAt(proven, "status", "fencing", "evidence", "kind");
    play.tell(
      `PROVEN DEAD: ${evidence}, ${textAt(proven, "status", "fencing", "evidence", "detail")}`,
    );
    const lastMs = observer.life(life.bootId)?.lastMs ?? 0;
    play.tell(`${target} wrote for the last time`, lastMs);
    play.measure("proven dead, after its last write", provenMs - lastMs, {
      fromMs: 0,
      why: "no death is claimed before it has happened",
    });
    play.measure("asked for to proven dead", provenMs - askedMs);
    const heir = await observer.nextLife(START_BOUND_MS, "the workload elsewhere", (it) => {
      return it.bootId !== life.bootId;
    });
    play.tell(`the workload writes on ${heir.guest}`, heir.firstMs);
    play.measure("its first write there, after the proof", heir.firstMs - provenMs, {
      fromMs: 0,
      why: "work starts elsewhere only after the proof",
    });
    play.measure("cut off to at work elsewhere", heir.firstMs - cutMs);
    cluster.judgeOthers(cutMs, target);
    await real.machine(target).restoreNetwork();
    play.tell(`the network of ${target} is back`);
    await cluster.healthy(play);
    healthCheck.stop();
    play.tell("all nodes are Ready, armed and without taint");
    play.measure("handed over", observer.handovers.length);
  },
};
