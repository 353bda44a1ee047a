import { nodeOfRemediation } from "../../api/node-of-remediation.ts";
import { NODE_NAME_ANNOTATION, TEMPLATE_NAME_ANNOTATION } from "../../api/remediation-names.ts";
import type { SBDConfig } from "../../api/sbd-config.ts";
import type { SBDRemediation } from "../../api/sbd-remediation.ts";
import type { KubeObject } from "../../kube/kube-object.ts";
import type { ObjectRef } from "../../kube/resource-type.ts";
import { FENCE_REASON_HEARTBEAT_TIMEOUT, FENCE_REASON_MANUAL } from "../../protocol/message.ts";
import type { FenceOrder } from "../../fencing/driver/fencer-message.ts";
import { namedAgent, wantsMessage } from "./request-state.ts";

/** A request that this agent is named to carry out. */
export type Assignment = {
  readonly ref: ObjectRef;
  readonly order: FenceOrder;
};

/**
 * The requests an agent is named for, by UID. One whose SBDConfig or slot is not known yet is not
 * among them; nor is one against the agent's own node, whatever its status says.
 */
export function assignmentsOf(
  requests: readonly { readonly raw: KubeObject; readonly parsed: SBDRemediation }[],
  configs: readonly SBDConfig[],
  agent: { readonly nodeName: string; readonly configName: string | null },
): ReadonlyMap<string, Assignment> {
  const assignments = new Map<string, Assignment>();
  for (const { raw, parsed } of requests) {
    const { fencing } = parsed.status;
    const named = nodeOfRemediation(parsed);
    const uid = parsed.metadata.uid ?? "";
    const config = configs.find(
      ({ metadata }) => metadata.name === (fencing?.configName ?? agent.configName),
    );
    if (
      namedAgent(raw) !== agent.nodeName ||
      !wantsMessage(raw) ||
      fencing?.nodeID === undefined ||
      !named.ok ||
      named.nodeName === agent.nodeName ||
      config === undefined ||
      uid === ""
    ) {
      continue;
    }
    assignments.set(uid, {
      ref: { name: parsed.metadata.name, namespace: parsed.metadata.namespace },
      order: {
        type: "fence",
        uid,
        nodeName: named.nodeName,
        nodeID: fencing.nodeID,
        reason: isOfNodeHealthCheck(parsed) ? FENCE_REASON_HEARTBEAT_TIMEOUT : FENCE_REASON_MANUAL,
        pausableNodes: config.spec.pausableNodes,
      },
    });
  }
  return assignments;
}

function isOfNodeHealthCheck({ metadata }: SBDRemediation): boolean {
  const annotations = metadata.annotations ?? {};
  return (
    metadata.ownerReferences?.some(({ kind }) => kind === "NodeHealthCheck") === true ||
    annotations[TEMPLATE_NAME_ANNOTATION] !== undefined ||
    annotations[NODE_NAME_ANNOTATION] !== undefined
  );
}
