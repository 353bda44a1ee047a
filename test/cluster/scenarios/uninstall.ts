import { join } from "node:path";
import { elapse } from "../../vm/bounded.ts";
import { monoMs } from "../../vm/monotonic.ts";
import { NOBODY_DIED } from "../cluster-scenario.ts";
import type { ClusterScenario } from "../cluster-scenario.ts";

const BOUND_MS = 600_000;
const DEPLOY = join(import.meta.dirname, "../../../deploy");

/** The last one: nothing is installed after it. */
export const uninstall: ClusterScenario = {
  name: "uninstall",
  sentence: "uninstalled as documented: nothing is left, and nobody dies of it",
  async run(cluster, play) {
    const { real } = cluster;
    const { kubectl } = real;
    const fromMs = monoMs();
    await kubectl.run(["delete", "sbdconfig", "--all"], "", BOUND_MS);
    play.tell("the SBDConfig is gone, and with it what the operator had made of it");
    await kubectl.run(["delete", "-k", DEPLOY], "", BOUND_MS);
    play.tell("deploy/ is gone");
    const kinds = [
      ...["crds", "clusterroles", "clusterrolebindings", "validatingadmissionpolicies"],
      ...["validatingadmissionpolicybindings", "namespaces"],
    ].join(",");
    const left = (await kubectl.run(["get", kinds, "-o", "name"]))
      .split("\n")
      .filter((name) => /sbd|medik8s/.test(name));
    if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
    const nodes = await kubectl.run(["get", "nodes", "-o", "yaml"]);
    if (/sbd|medik8s/i.test(nodes)) throw new Error("a Node still carries something of ours");
    await elapse(cluster.timing.msgwaitMs);
    cluster.judgeOthers(fromMs);
    play.measure("uninstalled, and nobody was reset", monoMs() - fromMs);
    return NOBODY_DIED;
  },
};
