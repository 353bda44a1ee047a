import { setTimeout as delay } from "node:timers/promises";

import type { KubeClient } from "../../kube/kube-client.ts";
import { getObject } from "../../kube/read-objects.ts";
import { NAMESPACES } from "../../kube/resource-type.ts";

const AGAIN_AFTER_MS = 2_000;
const KUBE_SYSTEM = { name: "kube-system" };

/**
 * The cluster's identity in the device header: the UID of namespace kube-system. Asked until it is
 * answered: without it nobody can tell this cluster's device from another's.
 */
export async function readClusterUID(
  client: KubeClient,
  warn: (message: string) => void,
): Promise<string> {
  for (;;) {
    try {
      const uid = (await getObject(client, NAMESPACES, KUBE_SYSTEM))?.metadata.uid;
      if (uid !== undefined) {
        return uid;
      }
      warn("there is no namespace kube-system, whose UID tells whose device it is; asking again");
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      warn(`the UID of namespace kube-system cannot be read, asking again: ${reason}`);
    }
    await delay(AGAIN_AFTER_MS);
  }
}
