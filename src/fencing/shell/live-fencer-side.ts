import { SBD_CONFIG } from "../../api/sbd-config.ts";
import { SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import { followResource } from "../../kube/follow-resource.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { kubePort } from "../../kube/kube-port.ts";
import { processClock } from "../../kube/process-clock.ts";
import { resourceTypeOf } from "../../kube/resource-type.ts";
import { createFencerSide, type FencerSide, type FencerSideParts } from "../cluster/fencer-side.ts";
import { packRecord } from "./packed-record.ts";

export type LiveFencerSideOptions = Pick<
  FencerSideParts,
  "name" | "configName" | "timeoutMs" | "send" | "log" | "troubles"
> & { readonly client: KubeClient };

const REVIEW_EVERY_MS = 1_000;
/** Requests are few and urgent. */
const REQUESTS_RESYNC_MS = 10_000;

/** A fencer's side of a real API server, until it is closed. */
export function startFencerSide({ client, ...parts }: LiveFencerSideOptions): FencerSide {
  const following = { troubles: parts.troubles, onChange: () => side.review() };
  const requests = followResource(client, resourceTypeOf(SBD_REMEDIATION), {
    ...following,
    resyncMs: REQUESTS_RESYNC_MS,
  });
  const configs = followResource(client, resourceTypeOf(SBD_CONFIG), following);
  const side = createFencerSide({
    ...parts,
    kube: kubePort(client),
    clock: processClock,
    requests,
    configs,
    pack: packRecord,
  });
  const timer = setInterval(() => side.review(), REVIEW_EVERY_MS);
  return {
    ...side,
    close() {
      clearInterval(timer);
      requests.close();
      configs.close();
      side.close();
    },
  };
}
