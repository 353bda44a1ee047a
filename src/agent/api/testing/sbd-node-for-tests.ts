import { API_VERSION } from "../../../api/group.ts";
import { parseSBDNode, sbdNodeName, type SBDNode } from "../../../api/sbd-node.ts";

/** An SBDNode as the API server would hand it out. */
export function sbdNode(
  nodeName: string,
  nodeID: number,
  {
    configName = "config",
    deleted = false,
    status = {},
  }: {
    readonly configName?: string;
    readonly deleted?: boolean;
    readonly status?: Readonly<Record<string, unknown>>;
  } = {},
): SBDNode {
  const parsed = parseSBDNode({
    apiVersion: API_VERSION,
    kind: "SBDNode",
    metadata: {
      name: sbdNodeName(configName, nodeID),
      ...(deleted ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { configName, nodeName, nodeID },
    status,
  });
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
}
