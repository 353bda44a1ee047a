import type { KubeClient } from "./kube-client.ts";
import { resourceCache, type ResourceCache } from "./resource-cache.ts";
import type { ResourceType } from "./resource-type.ts";
import type { TroubleLog } from "./trouble-log.ts";

/** A cache whose troubles are said once. */
export function followResource(
  client: KubeClient,
  type: ResourceType,
  options: {
    readonly troubles: Pick<TroubleLog, "note">;
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
