import { REMEDIATION_TAINT_KEY } from "../../api/remediation-names.ts";
import type { NodeReading, RequestReading } from "../authority.ts";
import { fieldAt, listAt, textAt, type KubeObject } from "../../kube/kube-object.ts";
import type { Answer } from "../driver/fencer-message.ts";
import {
  hasFinalizer,
  isDecided,
  isProven,
  namedAgent,
  recordedEpoch,
} from "../../api/request-state.ts";

/** What a consistent GET of a request grants to an agent; null: it is not there. */
export function requestReading(
  request: KubeObject | null,
  uid: string,
  agent: string,
): Answer<RequestReading> {
  const detail = request === null ? "the request is gone" : whyNotGranted(request, uid, agent);
  return {
    granted: detail === "",
    detail,
    epoch: request === null ? 0 : recordedEpoch(request),
    confirmation: request === null ? null : confirmationIn(request),
    nodeBootID: textAt(request, "status", "nodeBootID"),
  };
}

/** What consistent reads of a Node and of all SBDNodes say; null: there is no such Node. */
export function nodeReading(
  node: KubeObject | null,
  sbdNodes: readonly KubeObject[],
  nodeName: string,
): Answer<NodeReading> {
  const own = sbdNodes.filter((sbdNode) => textAt(sbdNode, "spec", "nodeName") === nodeName);
  const configs = new Set(own.map(configNameOf));
  return {
    nodeUID: node?.metadata.uid ?? null,
    bootID: textAt(node, "status", "nodeInfo", "bootID"),
    machineIDs: ["systemUUID", "machineID"]
      .map((field) => textAt(node, "status", "nodeInfo", field).toLowerCase().replaceAll("-", ""))
      .filter((machineID) => machineID !== ""),
    noExecute: listAt(node, "spec", "taints").some(
      (taint) =>
        textAt(taint, "key") === REMEDIATION_TAINT_KEY && textAt(taint, "effect") === "NoExecute",
    ),
    sbdNodes: own.map((sbdNode) => ({
      name: sbdNode.metadata.name ?? "",
      nodeID: nodeIDOf(sbdNode),
      leaving: fieldAt(sbdNode, "status", "leaving") === true,
      unarmedBootID:
        fieldAt(sbdNode, "status", "armed") === false ? textAt(sbdNode, "status", "bootID") : "",
    })),
    heldNodeIDs: sbdNodes.filter((sbdNode) => configs.has(configNameOf(sbdNode))).map(nodeIDOf),
  };
}

function configNameOf(sbdNode: KubeObject): string {
  return textAt(sbdNode, "spec", "configName");
}

function nodeIDOf(sbdNode: KubeObject): number {
  return Number(fieldAt(sbdNode, "spec", "nodeID"));
}

function whyNotGranted(request: KubeObject, uid: string, agent: string): string {
  if (request.metadata.uid !== uid) return "the request is gone, and another has its name";
  if (request.metadata.deletionTimestamp !== undefined) return "the request is being deleted";
  if (!hasFinalizer(request)) return "the request has no finalizer of ours";
  if (isDecided(request)) return "the request is decided";
  if (isProven(request)) return "the request has its proof: no message is wanted any more";
  const named = namedAgent(request);
  return named === agent ? "" : `the named fencer is ${named === "" ? "nobody" : named}`;
}

function confirmationIn(request: KubeObject): RequestReading["confirmation"] {
  const confirmation = fieldAt(request, "status", "confirmation");
  return confirmation === undefined
    ? null
    : {
        requestUID: textAt(confirmation, "requestUID"),
        bootID: textAt(confirmation, "bootID"),
        by: textAt(confirmation, "by"),
        at: textAt(confirmation, "time"),
      };
}
