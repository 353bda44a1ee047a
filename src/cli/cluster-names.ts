import { SBD_NODE } from "../api/sbd-node.ts";
import { createKubeClient } from "../kube/kube-client.ts";
import { loadUserKubeConfig } from "../kube/kube-config.ts";
import { textAt } from "../kube/kube-object.ts";
import { listObjects } from "../kube/read-objects.ts";
import { resourceTypeOf } from "../kube/resource-type.ts";

/**
 * Names of the nodes that hold a slot, sorted.
 *
 * @throws {KubeConfigError | KubeError}
 */
export async function sbdNodeNames(timeoutMs: number): Promise<readonly string[]> {
  const client = createKubeClient(await loadUserKubeConfig(process.env, null), "sbdctl");
  try {
    const { items } = await listObjects(client, resourceTypeOf(SBD_NODE), { timeoutMs });
    return items.map((item) => textAt(item, "spec", "nodeName")).toSorted();
  } finally {
    client.close();
  }
}
