import { Counter, Gauge, type Registry } from "prom-client";

import { createMetricsRegistry } from "../program/metrics-registry.ts";

/** The numbers of one fencer, as Prometheus reads them. */
export function createFencerMetrics(now: {
  readonly isHealthy: () => boolean;
  readonly isAtWork: () => boolean;
  readonly ioErrors: () => number;
}): Registry {
  const registry = createMetricsRegistry();
  const registers: Registry[] = [];
  registry.registerMetric(
    new Gauge({
      name: "sbd_fencer_status_healthy",
      help: "1 while passes are good, 0 otherwise",
      registers,
      collect() {
        this.set(now.isHealthy() ? 1 : 0);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "sbd_fencer_at_work",
      help: "1 while this fencer holds the Lease of its Deployment and takes orders, 0 otherwise",
      registers,
      collect() {
        this.set(now.isAtWork() ? 1 : 0);
      },
    }),
  );
  registry.registerMetric(
    new Counter({
      name: "sbd_device_io_errors_total",
      help: "Passes over the shared device that failed",
      registers,
      collect() {
        this.reset();
        this.inc(now.ioErrors());
      },
    }),
  );
  return registry;
}
