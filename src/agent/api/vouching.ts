import { SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import type { KubeObject } from "../../kube/kube-object.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { listObjects } from "../../kube/read-objects.ts";
import { resourceTypeOf } from "../../kube/resource-type.ts";
import { isOpenAgainst } from "../../api/request-state.ts";

const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);

/**
 * The second half of a vouching read, after the own SBDNode was patched: all requests are listed,
 * consistently and not older than that patch; how many of them may have this boot taken for dead. An
 * agent that cannot write its own object or read all requests is cut off, and gets no answer.
 *
 * @param own the SBDNode after the patch
 * @throws {Error} when there is no answer
 */
export async function countOpenRequests(
  client: KubeClient,
  own: KubeObject,
  agent: { readonly nodeName: string; readonly bootID: string; readonly timeoutMs: number },
): Promise<number> {
  const { nodeName, bootID, timeoutMs } = agent;
  const list = await listObjects(client, SBD_REMEDIATIONS, { timeoutMs, isUrgent: true });
  if (isOlder(list.resourceVersion, own.metadata.resourceVersion ?? "")) {
    throw new Error(
      `the list of requests is of version ${list.resourceVersion}, older than the own SBDNode's ` +
        `${own.metadata.resourceVersion}, so it vouches for nothing`,
    );
  }
  return list.items.filter((request) => isOpenAgainst(request, nodeName, bootID)).length;
}

/** Versions are counts of the store; what is no count cannot be compared, and counts as older. */
export function isOlder(version: string, than: string): boolean {
  const isCount = /^\d{1,30}$/;
  return !isCount.test(version) || !isCount.test(than) || BigInt(version) < BigInt(than);
}
