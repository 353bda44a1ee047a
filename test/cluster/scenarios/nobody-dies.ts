import { SYSTEM_NAMESPACE } from "../../../src/api/group.ts";
import { monoMs } from "../../vm/monotonic.ts";
import { NOBODY_DIED } from "../cluster-scenario.ts";
import type { ClusterScenario } from "../cluster-scenario.ts";
import { NODE_NAMES } from "../real-cluster.ts";

const OUTAGE_MS = 120_000;
const ROLLOUT_BOUND_MS = 600_000;

export const apiAway: ClusterScenario = {
  name: "api-away",
  sentence: "the API server is away for two minutes: nobody dies",
  async run(cluster, play) {
    const { real } = cluster;
    const fromMs = monoMs();
    await real.plane.kill("kube-apiserver");
    play.tell("kube-apiserver is killed");
    await cluster.nobodyDies(play, fromMs, OUTAGE_MS);
    await real.plane.startServer();
    play.tell("kube-apiserver runs again");
    await cluster.healthy(play);
    cluster.judgeOthers(fromMs);
    return NOBODY_DIED;
  },
};

export const agentsRestarted: ClusterScenario = {
  name: "agents-restarted",
  sentence:
    "an agent's pod is deleted, containerd restarted, the DaemonSet rolled out: nobody dies",
  async run(cluster, play) {
    const { real } = cluster;
    const fromMs = monoMs();
    const [first, second] = NODE_NAMES;
    const pod = real.agentPod(first)?.metadata.name ?? "";
    await real.kubectl.run(["delete", "pod", "-n", SYSTEM_NAMESPACE, pod], "", ROLLOUT_BOUND_MS);
    play.tell(`the agent's pod of ${first} is deleted`);
    await cluster.armed(play, NODE_NAMES);
    await real.machine(second).signal("containerd", "TERM");
    play.tell(`containerd of ${second} is restarted`);
    const daemonSet = "daemonset/sbd-agent-default";
    const options = ["-n", SYSTEM_NAMESPACE];
    await real.kubectl.run(["rollout", "restart", daemonSet, ...options]);
    const bound = `--timeout=${ROLLOUT_BOUND_MS / 1000}s`;
    await real.kubectl.run(
      ["rollout", "status", daemonSet, ...options, bound],
      "",
      ROLLOUT_BOUND_MS,
    );
    play.tell("the DaemonSet is rolled out");
    await cluster.nobodyDies(play, fromMs, cluster.timing.msgwaitMs);
    await cluster.healthy(play);
    return NOBODY_DIED;
  },
};
