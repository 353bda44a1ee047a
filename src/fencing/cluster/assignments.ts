import { nodeOfRemediation, type NodeReference } from "../../api/node-of-remediation.ts";
import { NODE_NAME_ANNOTATION, TEMPLATE_NAME_ANNOTATION } from "../../api/remediation-names.ts";
import type { SBDConfig } from "../../api/sbd-config.ts";
import { fieldAt, textAt, type KubeObject } from "../../kube/kube-object.ts";
import type { ObjectRef } from "../../kube/resource-type.ts";
import { FENCE_REASON_HEARTBEAT_TIMEOUT, FENCE_REASON_MANUAL } from "../../protocol/message.ts";
import type { FenceOrder } from "../driver/fencer-message.ts";
import { namedAgent, wantsMessage } from "../../api/request-state.ts";

/** A request that this agent is named to carry out. */
export type Assignment = {
  readonly ref: ObjectRef;
  readonly order: FenceOrder;
};

/**
 * The requests an agent is named for, by UID, read field by field. One whose SBDConfig or slot is not
 * known yet is not among them; nor is one against the agent's own node, whatever its status says.
 */
export function assignmentsOf(
  requests: readonly KubeObject[],
  configs: readonly SBDConfig[],
  agent: { readonly nodeName: string; readonly configName: string | null },
): ReadonlyMap<string, Assignment> {
  const assignments = new Map<string, Assignment>();
  for (const request of requests) {
    const { uid = "", name = "", namespace, annotations } = request.metadata;
    const nodeID = fieldAt(request, "status", "fencing", "nodeID");
    const spec = request["spec"] as NodeReference["spec"];
    const named = nodeOfRemediation({ metadata: { name, annotations }, spec });
    const configName = textAt(request, "status", "fencing", "configName") || agent.configName;
    const config = configs.find(({ metadata }) => metadata.name === configName);
    if (
      namedAgent(request) !== agent.nodeName ||
      !wantsMessage(request) ||
      typeof nodeID !== "number" ||
      !named.ok ||
      named.nodeName === agent.nodeName ||
      config === undefined ||
      uid === ""
    ) {
      continue;
    }
    assignments.set(uid, {
      ref: { name, namespace },
      order: {
        type: "fence",
        uid,
        nodeName: named.nodeName,
        nodeID,
        reason: isOfNodeHealthCheck(request) ? FENCE_REASON_HEARTBEAT_TIMEOUT : FENCE_REASON_MANUAL,
        pausableNodes: config.spec.pausableNodes,
      },
    });
  }
  return assignments;
}

function isOfNodeHealthCheck({ metadata }: KubeObject): boolean {
  const annotations = metadata.annotations ?? {};
  return (
    metadata.ownerReferences?.some(({ kind }) => kind === "NodeHealthCheck") === true ||
    annotations[TEMPLATE_NAME_ANNOTATION] !== undefined ||
    annotations[NODE_NAME_ANNOTATION] !== undefined
  );
}
