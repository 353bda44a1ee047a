import { REMEDIATION_TAINT_KEY } from "../api/remediation-names.ts";
import type { Action } from "./action.ts";
import { hasTaint } from "./kube-object.ts";
import { releaseTaints } from "./node-taints.ts";
import { nodeNameOf, type Snapshot } from "./snapshot.ts";

/**
 * Takes our taints off the nodes that no request names: a request whose finalizer was taken away by
 * hand, or a leader that had not seen yet that the request is gone. An out-of-service taint beside
 * ours is ours; one that stands alone is an administrator's.
 */
export function removeOrphanTaints(snapshot: Snapshot): readonly Action[] {
  const named = new Set(snapshot.remediations.map((remediation) => nodeNameOf(remediation)));
  return snapshot.nodes.flatMap((node) =>
    hasTaint(node, REMEDIATION_TAINT_KEY) && !named.has(node.metadata.name)
      ? releaseTaints(node)
      : [],
  );
}
