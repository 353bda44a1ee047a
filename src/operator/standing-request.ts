import { nodeOfRemediation, type NodeReference } from "../api/node-of-remediation.ts";

/** As much of an SBDRemediation as tells whether it stands for a node. */
export type StandingRequest = NodeReference & {
  readonly metadata: {
    readonly uid?: string | undefined;
    readonly deletionTimestamp?: string | undefined;
  };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[] | undefined;
  };
};

/**
 * It forbids to take NoExecute away from the node.
 *
 * @param lowering the UID of the request for which the taint is only lowered; null: nobody condemns the node any
 *   more, and the taint is taken away
 */
export function keepsNoExecute(
  request: StandingRequest,
  nodeName: string,
  lowering: string | null,
): boolean {
  if (lowering === null) {
    return standsFor(request, nodeName);
  }
  const named = nodeOfRemediation(request);
  const isOther = request.metadata.uid !== lowering && named.ok && named.nodeName === nodeName;
  return isOther && !hasFailed(request);
}

function hasFailed({ status }: StandingRequest): boolean {
  return (
    status?.conditions?.some(
      (condition) => condition.type === "Succeeded" && condition.status === "False",
    ) ?? false
  );
}

/** It names the node and is not being deleted: the node keeps its taints, whatever has become of it. */
export function standsFor(request: StandingRequest, nodeName: string): boolean {
  const named = nodeOfRemediation(request);
  return (
    request.metadata.deletionTimestamp === undefined && named.ok && named.nodeName === nodeName
  );
}
