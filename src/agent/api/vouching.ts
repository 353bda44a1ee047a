import { isOpenAgainst } from "../../api/request-state.ts";
import { SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import type { KubeObject } from "../../kube/kube-object.ts";
import type { KubeAnswer, KubePort } from "../../kube/kube-port.ts";
import { resourceTypeOf } from "../../kube/resource-type.ts";

const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);

/**
 * The second half of a vouching read, after the own SBDNode was patched: all requests are listed,
 * consistently and not older than that patch; how many of them may have this boot taken for dead. An
 * agent that cannot write its own object or read all requests is cut off, and gets no answer.
 *
 * @param own the SBDNode after the patch
 */
export function countOpenRequests(
  kube: KubePort,
  own: KubeObject,
  agent: { readonly nodeName: string; readonly bootID: string; readonly timeoutMs: number },
  answer: (counted: KubeAnswer<number>) => void,
): void {
  const { nodeName, bootID, timeoutMs } = agent;
  kube.list(SBD_REMEDIATIONS, { timeoutMs }, (listed) => {
    if (!listed.ok) {
      answer(listed);
      return;
    }
    const { resourceVersion, items } = listed.reply;
    if (isOlder(resourceVersion, own.metadata.resourceVersion ?? "")) {
      const error =
        `the list of requests is of version ${resourceVersion}, older than the own SBDNode's ` +
        `${own.metadata.resourceVersion}, so it vouches for nothing`;
      answer({ ok: false, error });
      return;
    }
    const open = items.filter((request) => isOpenAgainst(request, nodeName, bootID));
    answer({ ok: true, reply: open.length });
  });
}

/** Versions are counts of the store; what is no count cannot be compared, and counts as older. */
export function isOlder(version: string, than: string): boolean {
  const isCount = /^\d{1,30}$/;
  return !isCount.test(version) || !isCount.test(than) || BigInt(version) < BigInt(than);
}
