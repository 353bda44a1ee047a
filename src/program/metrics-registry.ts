import { Gauge, Registry } from "prom-client";

import { VERSION } from "./version.ts";

/** A registry that tells which version its numbers are of. */
export function createMetricsRegistry(): Registry {
  const registry = new Registry();
  const info = new Gauge({
    name: "sbd_build_info",
    help: "1; its label tells the version of the program",
    labelNames: ["version"],
    registers: [registry],
  });
  info.set({ version: VERSION }, 1);
  return registry;
}
