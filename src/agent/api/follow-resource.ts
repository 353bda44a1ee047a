import type { KubeClient } from "../../kube/kube-client.ts";
import { resourceCache, type ResourceCache } from "../../kube/resource-cache.ts";
import type { ResourceType } from "../../kube/resource-type.ts";
import type { TroubleLog } from "./trouble-log.ts";

/** A cache whose troubles are said once. */
export function followResource(
  client: KubeClient,
  type: ResourceType,
  options: {
    readonly troubles: TroubleLog;
    readonly onChange: () => void;
    readonly resyncMs?: number;
  },
): ResourceCache {
  const { troubles, ...rest } = options;
  return resourceCache(client, type, {
    onTrouble: (trouble) => troubles.note(`following ${type.plural}`, trouble),
    ...rest,
  });
}
