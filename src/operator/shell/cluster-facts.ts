import { setTimeout as delay } from "node:timers/promises";

import type { KubeClient } from "../../kube/kube-client.ts";
import { textAt } from "../../kube/kube-object.ts";
import { getObject } from "../../kube/read-objects.ts";
import { NAMESPACES } from "../../kube/resource-type.ts";
import type { OperatorPlace } from "../config.ts";

const AGAIN_AFTER_MS = 2_000;
const KUBE_SYSTEM = { name: "kube-system" };

export type ClusterFacts = Pick<OperatorPlace, "clusterUID" | "kubernetesVersion">;

/**
 * The cluster's identity in the device header, which is the UID of namespace kube-system, and its
 * Kubernetes. Asked until both are answered: without the UID nobody can tell this cluster's device from
 * another's.
 */
export async function readClusterFacts(
  client: KubeClient,
  warn: (message: string) => void,
): Promise<ClusterFacts> {
  for (;;) {
    try {
      const clusterUID = (await getObject(client, NAMESPACES, KUBE_SYSTEM))?.metadata.uid;
      if (clusterUID !== undefined) {
        const told = await client.request({ method: "GET", path: "/version" });
        return { clusterUID, kubernetesVersion: textAt(told, "gitVersion") };
      }
      warn("there is no namespace kube-system, whose UID tells whose device it is; asking again");
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      warn(
        `the UID of namespace kube-system or the API server's version cannot be read, asking again: ${reason}`,
      );
    }
    await delay(AGAIN_AFTER_MS);
  }
}
