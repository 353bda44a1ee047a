import { nodeOfRemediation, type NodeReference } from "../api/node-of-remediation.ts";

/** As much of an SBDRemediation as tells whether it stands for a node. */
export type StandingRequest = NodeReference & {
  readonly metadata: { readonly deletionTimestamp?: string | undefined };
};

/** It names the node and is not being deleted: the node keeps its taints, whatever has become of it. */
export function standsFor(request: StandingRequest, nodeName: string): boolean {
  const named = nodeOfRemediation(request);
  return (
    request.metadata.deletionTimestamp === undefined && named.ok && named.nodeName === nodeName
  );
}
