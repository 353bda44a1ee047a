import type { Flags } from "./flags.ts";

/** Flags that every program which serves in a pod has. */
export const PROGRAM_FLAGS = {
  "log-level": {
    variable: "SBD_LOG_LEVEL",
    text: "debug, info, warn, error or fatal",
    default: "info",
  },
  "metrics-address": {
    variable: "SBD_METRICS_ADDRESS",
    text: "address /metrics, /healthz and /readyz are served at",
    default: "::",
  },
  "metrics-port": {
    variable: "SBD_METRICS_PORT",
    text: "the port of these, 0 = any",
    default: "8080",
  },
} as const satisfies Flags;
