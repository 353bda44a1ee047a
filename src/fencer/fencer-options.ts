import type { LogLevel } from "../agent/effect.ts";
import { LOG_LEVELS, readFlags } from "../agent/shell/program-flags.ts";

/** How a fencer that runs without an agent is started: each flag, or the variable beside it. */
export type FencerOptions = {
  /** This pod: its name in messages, and among the fencers of its Deployment. */
  readonly podName: string;
  /** Where its Lease is. */
  readonly namespace: string;
  /** The SBDConfig whose device it writes to. */
  readonly configName: string;
  readonly devicePath: string;
  /** T, checked against the device; null: take the device's. */
  readonly timeoutMs: number | null;
  readonly logLevel: LogLevel;
  readonly metricsAddress: string;
  /** 0: one that is free. */
  readonly metricsPort: number;
  /** How long a fencer that is silent keeps the other one waiting. */
  readonly leaseMs: number;
};

/** Thrown for a flag or variable that cannot be meant. */
export class FencerOptionError extends Error {
  override readonly name = "FencerOptionError";
}

const FLAGS = {
  "pod-name": { variable: "POD_NAME" },
  "pod-namespace": { variable: "POD_NAMESPACE" },
  config: { variable: "SBD_CONFIG_NAME" },
  "sbd-device": { variable: "SBD_DEVICE_PATH" },
  "sbd-timeout-seconds": { variable: "SBD_TIMEOUT_SECONDS" },
  "log-level": { variable: "SBD_LOG_LEVEL" },
  "metrics-address": { variable: "SBD_METRICS_ADDRESS" },
  "metrics-port": { variable: "SBD_METRICS_PORT" },
  "lease-seconds": { variable: "SBD_LEASE_SECONDS" },
} as const;

type Flag = keyof typeof FLAGS;

const DEFAULTS: Partial<Record<Flag, string>> = {
  "pod-namespace": "sbd-system",
  "sbd-device": "/mnt/sbd-operator-device",
  "log-level": "info",
  "metrics-address": "::",
  "metrics-port": "8080",
  "lease-seconds": "15",
};

/**
 * Reads flags, then variables, then defaults.
 *
 * @throws {FencerOptionError} naming the flag, the variable and the value
 */
export function readFencerOptions(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): FencerOptions {
  const { value, required, wholeNumber, oneOf } = readFlags(
    FLAGS,
    DEFAULTS,
    args,
    environment,
    (message) => new FencerOptionError(message),
    "Nobody is fenced.",
  );
  const seconds = "sbd-timeout-seconds";
  return {
    podName: required("pod-name"),
    namespace: required("pod-namespace"),
    configName: required("config"),
    devicePath: required("sbd-device"),
    timeoutMs: value(seconds) === "" ? null : wholeNumber(seconds, 1, 3_600) * 1_000,
    logLevel: oneOf("log-level", LOG_LEVELS),
    metricsAddress: required("metrics-address"),
    metricsPort: wholeNumber("metrics-port", 0, 65_535),
    leaseMs: wholeNumber("lease-seconds", 1, 3_600) * 1_000,
  };
}
