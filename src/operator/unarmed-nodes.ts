import type { SBDConfig } from "../api/sbd-config.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import { SBD_MAX_NODES } from "../protocol/message.ts";
import type { KubeNode, KubePod } from "./kube-object.ts";
import { isReporting, type OperatorMemory } from "./memory.ts";
import { whyPodWaits } from "./pod-trouble.ts";
import { CONFIG_LABEL } from "./pod-parts.ts";
import { firstOf } from "./status-text.ts";
import { oncePerSnapshot, slotsOfConfig, slotsOfNode, type Snapshot } from "./snapshot.ts";

const AGENT_APP = "sbd-agent";
const REASON_LENGTH_MAX = 300;

/** The covered nodes that are not armed, each with its reason, for a status; empty where all are. */
export function unarmedNodes(
  config: SBDConfig,
  covered: readonly KubeNode[],
  snapshot: Snapshot,
  memory: OperatorMemory,
  nowMs: number,
): string {
  const unarmed = covered.flatMap(({ metadata: { name } }): string[] => {
    const slot = slotsOfNode(snapshot, name).find(
      ({ spec }) => spec.configName === config.metadata.name,
    );
    const reports = slot !== undefined && isReporting(memory, slot, nowMs);
    if (reports && slot.status.armed === true) {
      return [];
    }
    const why = reports ? whyAgentIsUnarmed(slot) : whyAgentIsAway(config, name, slot, snapshot);
    return [`${name} (${why.slice(0, REASON_LENGTH_MAX)})`];
  });
  if (unarmed.length === 0) {
    return "";
  }
  return `; not armed: ${firstOf(unarmed)}`;
}

/** Whether a pod is an agent of the DaemonSet of a config. */
export function isAgentPod({ metadata: { labels } }: KubePod, configName: string): boolean {
  return labels?.["app"] === AGENT_APP && labels[CONFIG_LABEL] === configName;
}

/** Few of thousands. */
const agentPods = oncePerSnapshot(({ pods }) =>
  pods.filter(({ metadata: { labels } }) => labels?.["app"] === AGENT_APP),
);

function whyAgentIsUnarmed({ status }: SBDNode): string {
  return status.message ?? "its agent has not armed its watchdog yet";
}

function whyAgentIsAway(
  config: SBDConfig,
  nodeName: string,
  slot: SBDNode | undefined,
  snapshot: Snapshot,
): string {
  const pods = agentPods(snapshot).filter(
    (pod) => pod.spec?.nodeName === nodeName && isAgentPod(pod, config.metadata.name),
  );
  const slots = slotsOfConfig(snapshot, config.metadata.name);
  if (slot === undefined && slots.length >= SBD_MAX_NODES) {
    return `no slot is free: a device has ${SBD_MAX_NODES}`;
  }
  if (pods.length === 0) {
    return (
      `no agent runs there: kubectl describe daemonset sbd-agent-${config.metadata.name} tells why, ` +
      `for instance a quota, pod security, or a taint that is not tolerated`
    );
  }
  return pods.map(whyPodWaits).find((why) => why !== null) ?? "its agent is silent";
}
