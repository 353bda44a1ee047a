/**
 * The agent's API process: all Kubernetes traffic of a node, and /metrics. A child of the core
 * process, which never waits for it: it may crash, leak or hang, and the node lives on.
 */
import { join } from "node:path";

import { createKubeClient } from "../../kube/kube-client.ts";
import { KubeConfigError } from "../../kube/kube-access.ts";
import { loadKubeConfig } from "../../kube/kube-config.ts";
import { STATE_DIRECTORY_DEFAULT } from "../../platform/host-state.ts";
import { setNiceness, setOomScoreAdjustment } from "../../platform/realtime.ts";
import { readAgentOptions, type AgentOptions } from "../shell/agent-options.ts";
import type { AgentStatus, ToCore } from "../driver/api-message.ts";
import { API_SOCKET } from "../shell/api-socket.ts";
import { createLineLogger, type LineLogger } from "../../program/line-logger.ts";
import { createAgentMetrics, STATUS_STALE_MS } from "./agent-metrics.ts";
import type { ClusterSide } from "./cluster-side.ts";
import { connectToCore } from "./core-link.ts";
import { startClusterSide } from "./live-cluster-side.ts";
import { whyNotReady } from "./readiness.ts";
import { serveMetrics } from "../../program/metrics-server.ts";

/** When memory runs out, this process goes first; the core process starts another. */
const OOM_SCORE_ADJUSTMENT = 900;
const STANDARD_OUTPUT = 1;
const CONFIG_AGAIN_AFTER_MS = 30_000;

export function runApiProcess(args: readonly string[]): void {
  setOomScoreAdjustment(OOM_SCORE_ADJUSTMENT);
  // The core process goes before everything, and this one inherits that.
  setNiceness(0);
  const options = readAgentOptions(args, process.env);
  const fields = { node: options.nodeName, process: "api" };
  const logger = createLineLogger(STANDARD_OUTPUT, options.logLevel, fields);
  endWithTheCore();
  const metrics = createAgentMetrics(() => performance.now());
  let cluster: ClusterSide | null = null;
  let heard: { readonly status: AgentStatus; readonly atMs: number } | null = null;
  const core = connectToCore(join(options.hostRoot, STATE_DIRECTORY_DEFAULT, API_SOCKET), {
    connected: () => cluster?.connected(),
    message(message) {
      if (message.type === "status") {
        heard = { status: message.status, atMs: performance.now() };
        metrics.update(heard.status, heard.atMs);
      }
      cluster?.receive(message);
    },
    failed: (error) => logger.log("debug", `the core process: ${error}`),
  });
  const recent = (): AgentStatus | null =>
    heard !== null && performance.now() - heard.atMs < STATUS_STALE_MS ? heard.status : null;
  const silence = "the core process has said nothing lately";
  serveMetrics({
    address: options.metricsAddress,
    port: options.metricsPort,
    registry: metrics.registry,
    healthTrouble: () => (recent() === null ? silence : null),
    readinessTrouble() {
      const status = recent();
      return status === null ? silence : whyNotReady(status);
    },
    log: (level, message) => logger.log(level, message),
  });
  void followCluster(
    options,
    logger,
    (message) => core.send(message),
    (found) => {
      cluster = found;
      found.connected();
    },
  );
}

/** The core process holds the other end of standard input and never writes to it. */
function endWithTheCore(): void {
  process.stdin.on("error", () => process.exit(0));
  process.stdin.on("end", () => process.exit(0));
  process.stdin.resume();
}

/** Without a way to the API server the numbers are served all the same. */
async function followCluster(
  options: AgentOptions,
  logger: LineLogger,
  send: (message: ToCore) => void,
  found: (cluster: ClusterSide) => void,
): Promise<void> {
  try {
    const access = await loadKubeConfig(process.env);
    const client = createKubeClient(access, `sbd-agent/${options.nodeName}`);
    const { nodeName, configName } = options;
    const log: LineLogger["log"] = (level, message) => logger.log(level, message);
    found(startClusterSide({ client, nodeName, configName, send, log }));
  } catch (error) {
    if (!(error instanceof KubeConfigError)) {
      throw error;
    }
    logger.log("error", error.message);
    setTimeout(() => void followCluster(options, logger, send, found), CONFIG_AGAIN_AFTER_MS);
  }
}
