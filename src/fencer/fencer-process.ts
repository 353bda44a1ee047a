import { randomBytes } from "node:crypto";

import { apiTimeoutMs } from "../kube/api-timeout.ts";
import type { FencerSide } from "../fencing/cluster/fencer-side.ts";
import { startFencerSide } from "../fencing/shell/live-fencer-side.ts";
import { followResource } from "../kube/follow-resource.ts";
import { serveMetrics } from "../program/metrics-server.ts";
import { createTroubleLog } from "../kube/trouble-log.ts";
import type { LineLogger } from "../program/line-logger.ts";
import { createFencerHost } from "../fencing/driver/fencer-host.ts";
import { narrateFencer } from "../fencing/driver/fencer-narration.ts";
import { fenceDevice } from "../fencing/shell/fence-device.ts";
import { sightRegions } from "../fencing/driver/region-sightings.ts";
import { hostClock } from "../platform/host-clock.ts";
import { fencerNameOf } from "../api/fencer-name.ts";
import { parseSBDNode, SBD_NODE } from "../api/sbd-node.ts";
import type { KubeClient } from "../kube/kube-client.ts";
import { electLeader, type LeaderElection } from "../kube/leader-election.ts";
import { parseOnce } from "../kube/parse-once.ts";
import { resourceTypeOf } from "../kube/resource-type.ts";
import { startDiskWorker } from "../platform/disk-worker-handle.ts";
import { watchDevice, type DeviceWatch } from "./device-watch.ts";
import { createFencerMetrics } from "./fencer-metrics.ts";
import type { FencerOptions } from "./fencer-options.ts";

export type FencerProcess = {
  /** Gives the Lease up, and waits until that is written or has failed. */
  stop(): Promise<void>;
};

const SBD_NODES = resourceTypeOf(SBD_NODE);
/** As in an agent: finer than any interval the core counts by. */
const TICK_MS = 50;

/**
 * A fencer without an agent: what an agent does when it is named, and nothing else. It beats in no
 * slot and arms nothing, so nobody waits for it to die; like an agent it writes only after good passes
 * over the device that the agents work on.
 *
 * While its passes are good it takes part in the election for the Lease of its Deployment. Whoever
 * holds that takes orders; the other one reads on, and so takes over with all that it has seen. It is
 * for order, and tells the operator's leader that somebody can fence: two at once do no harm.
 */
export function runFencer(
  client: KubeClient,
  options: FencerOptions,
  logger: LineLogger,
  onOtherDevice: () => void,
): FencerProcess {
  const { podName, namespace, configName } = options;
  const name = fencerNameOf(configName);
  const log: LineLogger["log"] = (level, message) => logger.log(level, message);
  const troubles = createTroubleLog(log);
  const nodes = followResource(client, SBD_NODES, { troubles, onChange: () => undefined });
  const sbdNodeOf = parseOnce(parseSBDNode);
  let side: FencerSide | null = null;
  let election: LeaderElection | null = null;

  const worker = startDiskWorker(options.devicePath, () =>
    log("error", "the disk worker died and was replaced"),
  );
  const host = createFencerHost({
    name: podName,
    nodeID: 0,
    clock: hostClock,
    nonce: () => randomBytes(16).toString("hex"),
    device: fenceDevice(worker),
    stepped: (step) => narrateFencer(step).forEach((line) => log("info", line)),
    // Both ends are in this process; neither is to find itself called by what it calls.
    send: (message) => queueMicrotask(() => side?.receive(message)),
    contract: () => watch.contract(),
    lookSoon: () => watch.lookSoon(),
    log,
  });
  const watch: DeviceWatch = watchDevice({
    worker,
    asked: options.asked,
    owner: options.owner,
    agentsDevices,
    sight: (regions) => host.sight(sightRegions(host.sightings, regions)),
    onOtherDevice(detail) {
      log("error", `starting anew: ${detail}`);
      onOtherDevice();
    },
    log,
  });

  function agentsDevices(): ReadonlySet<string> | null {
    if (!nodes.synced) {
      return null;
    }
    const told = nodes.snapshot().flatMap((object): string[] => {
      const parsed = sbdNodeOf(object);
      const isOurs = parsed.ok && parsed.value.spec.configName === configName;
      const deviceUUID = isOurs ? parsed.value.status.deviceUUID : undefined;
      return deviceUUID === undefined ? [] : [deviceUUID];
    });
    return new Set(told);
  }

  function lead(): void {
    side = startFencerSide({
      client,
      name,
      configName,
      timeoutMs: () => apiTimeoutMs(watch.contract()?.timeoutMs ?? null),
      send: (message) => queueMicrotask(() => host.receive(message)),
      log,
      troubles,
    });
    side.connected();
  }

  function follow(): void {
    side?.close();
    side = null;
  }

  function campaign(): LeaderElection {
    const { leaseMs } = options;
    return electLeader(client, {
      name,
      namespace,
      identity: podName,
      leaseDurationMs: leaseMs,
      renewDeadlineMs: (leaseMs * 2) / 3,
      retryPeriodMs: leaseMs / 7.5,
      onLead: lead,
      onFollow: follow,
      log: (message) => log("info", message),
    });
  }

  function tick(): void {
    host.tick();
    const isAble = watch.contract() !== null;
    if (isAble && election === null) {
      election = campaign();
    } else if (!isAble && election !== null) {
      const ended = election;
      election = null;
      log("warn", `this fencer can fence nobody for now: ${watch.trouble() ?? ""}`);
      troubles.unlessItFails("giving the lease up", ended.stop());
    }
  }

  const metrics = createFencerMetrics({
    isHealthy: () => watch.trouble() === null,
    isAtWork: () => side !== null,
    ioErrors: () => watch.ioErrors,
  });
  serveMetrics({
    address: options.metricsAddress,
    port: options.metricsPort,
    registry: metrics,
    healthTrouble: () => watch.trouble(),
    readinessTrouble: () => watch.trouble(),
    log,
  });
  const timer = setInterval(tick, TICK_MS);
  return {
    async stop() {
      clearInterval(timer);
      await election?.stop();
    },
  };
}
