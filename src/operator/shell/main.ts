/**
 * The operator: two replicas, one of which leads. Leader election is for order, not for safety: two
 * leaders would write the same things twice, each on a version that only one of them can win.
 */
import { setFlagsFromString } from "node:v8";

import { createEventRecorder } from "../../kube/event-recorder.ts";
import { createKubeClient } from "../../kube/kube-client.ts";
import { loadKubeConfig } from "../../kube/kube-config.ts";
import { electLeader } from "../../kube/leader-election.ts";
import { createLineLogger, type LineLogger } from "../../program/line-logger.ts";
import { serveMetrics } from "../../program/metrics-server.ts";
import { VERSION } from "../../program/version.ts";
import { agentImageOf } from "./agent-image.ts";
import { lineOfEvent } from "./event-log.ts";
import { runOperatorLoop, type OperatorLoop } from "./operator-loop.ts";
import { createOperatorMetrics } from "./operator-metrics.ts";
import { readOperatorOptions, type OperatorOptions } from "./operator-options.ts";

const LEASE_NAME = "sbd-operator";
const STANDARD_OUTPUT = 1;
const STOP_WITHIN_MS = 5_000;
/** Garbage beside what is alive: V8 by itself lets the heap double before it looks for any. */
const HEAP_GROWS_BY_PERCENT = 25;

/** @throws {FlagError} */
export function runOperatorProgram(args: readonly string[]): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWS_BY_PERCENT}`);
  const options = readOperatorOptions(args, process.env);
  const fields = { operator: options.podName };
  const logger = createLineLogger(STANDARD_OUTPUT, options.logLevel, fields);
  const end = (code: number): never => {
    logger.flush();
    process.exit(code);
  };
  logger.log("info", "starting", { version: VERSION });
  void start(options, logger, end).catch((error: unknown) => {
    logger.log("fatal", error instanceof Error ? error.message : String(error));
    end(1);
  });
}

async function start(
  options: OperatorOptions,
  logger: LineLogger,
  end: (code: number) => never,
): Promise<void> {
  const { podName: identity, namespace, leaseMs } = options;
  let loop: OperatorLoop | null = null;
  const client = createKubeClient(await loadKubeConfig(process.env), `sbd-operator/${identity}`);
  const events = createEventRecorder(client, {
    component: "sbd-operator",
    onLost: (message) => logger.log("warn", message),
  });
  const metrics = createOperatorMetrics({
    isLeading: () => loop?.leads === true,
    snapshot: () => loop?.snapshot ?? null,
    wallMs: Date.now,
  });
  serveMetrics({
    address: options.metricsAddress,
    port: options.metricsPort,
    registry: metrics.registry,
    healthTrouble: () => null,
    readinessTrouble: () =>
      loop?.isSynced === true ? null : "the caches wait for their first lists",
    log: (level, message) => logger.log(level, message),
  });
  const agentImage = await agentImageOf(client, options, (level, message) =>
    logger.log(level, message),
  );
  logger.log("info", `agents and fencers are started from ${agentImage}`);
  loop = runOperatorLoop(client, {
    place: { namespace, agentImage },
    recordEvent(event) {
      const { about, eventType, reason, message } = event;
      const line = lineOfEvent(event);
      logger.log(line.level, line.message, line.fields);
      events.record(about, eventType, reason, message);
    },
    onLook: metrics.noteLook,
    onFailure: metrics.noteFailure,
    log: (level, message, more) => logger.log(level, message, more),
  });
  const election = electLeader(client, {
    name: LEASE_NAME,
    namespace,
    identity,
    leaseDurationMs: leaseMs,
    renewDeadlineMs: (leaseMs * 2) / 3,
    retryPeriodMs: leaseMs / 7.5,
    onLead: () => loop?.lead(),
    onFollow() {
      loop?.follow();
      metrics.noteFollowing();
    },
    log: (message) => logger.log("info", message),
  });
  const stop = async (): Promise<void> => {
    loop?.close();
    await Promise.race([
      election.stop().then(() => events.settled()),
      new Promise((resolve) => setTimeout(resolve, STOP_WITHIN_MS)),
    ]);
    client.close();
    end(0);
  };
  process.once("SIGTERM", () => void stop());
  process.once("SIGINT", () => void stop());
}
