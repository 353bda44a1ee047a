/**
 * The operator: two replicas, one of which leads. Leader election is for order, not for safety: two
 * leaders would write the same things twice, each on a version that only one of them can win.
 */
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import pino from "pino";

import { createEventRecorder } from "../../kube/event-recorder.ts";
import { createKubeClient } from "../../kube/kube-client.ts";
import { loadKubeConfig } from "../../kube/kube-config.ts";
import { electLeader } from "../../kube/leader-election.ts";
import { SYSTEM_NAMESPACE } from "../../api/group.ts";
import { serveHealth } from "./health-server.ts";
import { runOperatorLoop } from "./operator-loop.ts";

const LEASE_NAME = "sbd-operator";
const STOP_WITHIN_MS = 5_000;

function main(): void {
  const { values } = parseArgs({
    options: {
      "health-port": { type: "string", default: process.env["SBD_HEALTH_PORT"] ?? "8081" },
      "log-level": { type: "string", default: process.env["SBD_LOG_LEVEL"] ?? "info" },
      "lease-seconds": { type: "string", default: process.env["SBD_LEASE_SECONDS"] ?? "15" },
    },
  });
  const identity = process.env["POD_NAME"] ?? hostname();
  const namespace = process.env["DEPLOYMENT_NAMESPACE"] ?? SYSTEM_NAMESPACE;
  const logger = pino({
    level: values["log-level"],
    base: { operator: identity },
    formatters: { level: (label) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  const client = createKubeClient(loadKubeConfig(process.env), `sbd-operator/${identity}`);
  const events = createEventRecorder(client, {
    component: "sbd-operator",
    onLost: (message) => logger.warn(message),
  });
  const loop = runOperatorLoop(client, {
    place: { namespace, agentImage: process.env["SBD_AGENT_IMAGE"] ?? "sbd-agent:latest" },
    recordEvent: ({ about, eventType, reason, message }) =>
      events.record(about, eventType, reason, message),
    log: (level, message, fields) => logger[level](fields ?? {}, message),
  });
  const leaseMs = Number(values["lease-seconds"]) * 1_000;
  const election = electLeader(client, {
    name: LEASE_NAME,
    namespace,
    identity,
    leaseDurationMs: leaseMs,
    renewDeadlineMs: (leaseMs * 2) / 3,
    retryPeriodMs: leaseMs / 7.5,
    onLead: () => loop.lead(),
    onFollow: () => loop.follow(),
    log: (message) => logger.info(message),
  });
  const health = serveHealth(Number(values["health-port"]), () => loop.isSynced);

  const stop = async (): Promise<void> => {
    loop.close();
    await Promise.race([
      election.stop().then(() => events.settled()),
      new Promise((resolve) => setTimeout(resolve, STOP_WITHIN_MS)),
    ]);
    health.close();
    client.close();
    process.exit(0);
  };
  process.once("SIGTERM", () => void stop());
  process.once("SIGINT", () => void stop());
}

main();
