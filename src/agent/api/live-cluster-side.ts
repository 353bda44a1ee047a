import { SBD_NODE, parseSBDNode } from "../../api/sbd-node.ts";
import { startFencerSide } from "../../fencing/shell/live-fencer-side.ts";
import { createEventRecorder, type EventSubject } from "../../kube/event-recorder.ts";
import { followResource } from "../../kube/follow-resource.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { urgentKubePort } from "../../kube/kube-port.ts";
import { parseEachOnce } from "../../kube/parse-once.ts";
import { processClock } from "../../kube/process-clock.ts";
import { resourceTypeOf } from "../../kube/resource-type.ts";
import { createTroubleLog } from "../../kube/trouble-log.ts";
import type { LogLevel } from "../../program/log-level.ts";
import type { ToCore } from "../driver/api-message.ts";
import { createClusterSide, type ClusterSide } from "./cluster-side.ts";

export type LiveClusterSideOptions = {
  readonly client: KubeClient;
  readonly nodeName: string;
  readonly configName: string | null;
  readonly send: (message: ToCore) => void;
  readonly log: (level: LogLevel, message: string) => void;
};

const REVIEW_EVERY_MS = 1_000;

/** Follows a real API server for one agent until the process ends. */
export function startClusterSide(options: LiveClusterSideOptions): ClusterSide {
  const { client, nodeName, configName, send, log } = options;
  const troubles = createTroubleLog(log);
  const sbdNodesOf = parseEachOnce((object) => {
    const parsed = parseSBDNode(object);
    return parsed.ok ? [parsed.value] : [];
  });
  const nodes = followResource(client, resourceTypeOf(SBD_NODE), {
    troubles,
    onChange: () => side.review(),
  });
  const recorder = createEventRecorder(client, {
    component: "sbd-agent",
    host: nodeName,
    onLost: (message) => log("debug", `an event is lost: ${message}`),
  });
  /** As the kubelet names its node in events. */
  const subject: EventSubject = { apiVersion: "v1", kind: "Node", name: nodeName, uid: nodeName };
  const side = createClusterSide({
    kube: urgentKubePort(client),
    clock: processClock,
    nodeName,
    configName,
    sbdNodes: () => (nodes.synced ? sbdNodesOf(nodes.snapshot()) : null),
    fencer: (timeoutMs) =>
      startFencerSide({ client, name: nodeName, configName, timeoutMs, send, log, troubles }),
    send,
    recordEvent: ({ type, reason, message }) => recorder.record(subject, type, reason, message),
    troubles,
  });
  setInterval(() => side.review(), REVIEW_EVERY_MS);
  return side;
}
