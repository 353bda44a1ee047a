import { Counter, Gauge, type Registry } from "prom-client";

import { createMetricsRegistry } from "../../program/metrics-registry.ts";

import type { AgentStatus } from "../driver/api-message.ts";

/** The numbers of one agent, as Prometheus reads them. */
export type AgentMetrics = {
  readonly registry: Registry;
  /** Takes in what the core process said last. */
  update(status: AgentStatus, nowMs: number): void;
};

/** Without word from the core process for so long, the agent counts as unhealthy. */
export const STATUS_STALE_MS = 5_000;

/**
 * Numbers of the core process are shown as it last told them: its counters outlive this process.
 *
 * @param nowMs monotonic clock
 */
export function createAgentMetrics(nowMs: () => number): AgentMetrics {
  const registry = createMetricsRegistry();
  const registers: Registry[] = [];
  let latest: { readonly status: AgentStatus; readonly atMs: number } | null = null;

  registry.registerMetric(
    new Gauge({
      name: "sbd_agent_status_healthy",
      help: "1 while passes are good and the watchdog is armed, 0 otherwise",
      registers,
      collect() {
        this.set(latest !== null && isHealthy(latest.status, nowMs() - latest.atMs) ? 1 : 0);
      },
    }),
  );
  const total = (name: string, help: string, count: (status: AgentStatus) => number): void => {
    registry.registerMetric(
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(latest === null ? 0 : count(latest.status));
        },
      }),
    );
  };
  const level = (
    name: string,
    help: string,
    value: (status: AgentStatus) => number | null,
  ): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.reset();
          const current = latest === null ? null : value(latest.status);
          if (current === null) {
            this.remove();
          } else {
            this.set(current);
          }
        },
      }),
    );
  };
  total(
    "sbd_device_io_errors_total",
    "Reads and writes of the shared device that failed, since the agent started",
    ({ ioErrors }) => ioErrors,
  );
  total(
    "sbd_watchdog_pets_total",
    "Times the watchdog was petted, since the agent started",
    ({ pets }) => pets,
  );
  total(
    "sbd_watchdog_pet_errors_total",
    "Pets that the watchdog did not take, since the agent started",
    ({ petErrors }) => petErrors,
  );
  total("sbd_self_fenced_total", "Times this agent began to reset its node", ({ selfFenced }) =>
    selfFenced ? 1 : 0,
  );
  total("sbd_passes_total", "Passes begun, since the agent started", ({ passes }) => passes);
  level("sbd_watchdog_armed", "1 while the watchdog backs the timing contract", ({ watchdog }) =>
    watchdog === "armed" ? 1 : 0,
  );
  level("sbd_detect_only", "1 where the agent never resets its node", ({ detectOnly }) =>
    detectOnly ? 1 : 0,
  );
  level("sbd_pass_latency_seconds", "How long the last good pass took", ({ passLatencyMs }) =>
    passLatencyMs === null ? null : passLatencyMs / 1_000,
  );
  level(
    "sbd_last_good_pass_age_seconds",
    "Time since the last good pass started; the node dies when this reaches the timeout",
    ({ lastGoodPassAgeMs }) =>
      lastGoodPassAgeMs === null || latest === null
        ? null
        : (lastGoodPassAgeMs + nowMs() - latest.atMs) / 1_000,
  );
  level("sbd_timeout_seconds", "T: how long the node lives on without a good pass", ({ timing }) =>
    timing === null ? null : timing.timeoutMs / 1_000,
  );
  level("sbd_watchdog_timeout_seconds", "W: the watchdog is petted every W / 4", ({ timing }) =>
    timing === null ? null : timing.watchdogMs / 1_000,
  );
  level(
    "sbd_fence_epoch_seen",
    "Highest epoch read in the node's own fence slot",
    ({ seenEpoch }) => seenEpoch,
  );
  registry.registerMetric(
    new Gauge({
      name: "sbd_peer_status",
      help: "Peers by slot, one series each: 1 while alive, 0 while unhealthy",
      labelNames: ["node_id", "node_name", "status"],
      registers,
      collect() {
        this.reset();
        for (const { nodeID, nodeName, moving } of latest?.status.peers ?? []) {
          const peer = { node_id: String(nodeID), node_name: nodeName };
          this.set({ ...peer, status: moving ? "alive" : "unhealthy" }, moving ? 1 : 0);
        }
      },
    }),
  );
  return {
    registry,
    update(status, atMs) {
      latest = { status, atMs };
    },
  };
}

/** Passes are good, the watchdog is armed, and somebody has said so lately. */
export function isHealthy(status: AgentStatus, statusAgeMs: number): boolean {
  return (
    statusAgeMs < STATUS_STALE_MS &&
    status.life === "serving" &&
    status.watchdog === "armed" &&
    status.trouble === null &&
    status.lastGoodPassAgeMs !== null &&
    status.timing !== null &&
    status.lastGoodPassAgeMs + statusAgeMs < status.timing.timeoutMs
  );
}
