import type { SBDNode } from "../../api/sbd-node.ts";

/** What the SBDNodes say about a node's slot. */
export type SlotFinding =
  | { readonly kind: "found"; readonly nodeID: number; readonly sbdNode: string }
  | { readonly kind: "none" }
  /** Nobody knows which counts until the leader has removed the higher one. */
  | { readonly kind: "several"; readonly sbdNodes: readonly string[] };

/**
 * The slot of a node: its only SBDNode's. One that is being deleted gives no slot out any more.
 *
 * @param configName whose SBDNodes count; null: every SBDConfig's
 */
export function findSlot(
  sbdNodes: readonly SBDNode[],
  nodeName: string,
  configName: string | null,
): SlotFinding {
  const own = sbdNodes.filter(
    ({ spec, metadata }) =>
      spec.nodeName === nodeName &&
      (configName === null || spec.configName === configName) &&
      metadata.deletionTimestamp === undefined,
  );
  const [only, ...more] = own;
  if (only === undefined) {
    return { kind: "none" };
  }
  return more.length > 0
    ? { kind: "several", sbdNodes: own.map(({ metadata }) => metadata.name) }
    : { kind: "found", nodeID: only.spec.nodeID, sbdNode: only.metadata.name };
}

/** The SBDNode an agent reports in: of its node and of the slot it beats in, deleted or not. */
export function reportedNode(
  sbdNodes: readonly SBDNode[],
  agent: { readonly nodeName: string; readonly nodeID: number },
  configName: string | null,
): SBDNode | null {
  return (
    sbdNodes.find(
      ({ spec }) =>
        spec.nodeName === agent.nodeName &&
        spec.nodeID === agent.nodeID &&
        (configName === null || spec.configName === configName),
    ) ?? null
  );
}
