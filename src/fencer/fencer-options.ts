import { parseArgs } from "node:util";

import type { LogLevel } from "../agent/effect.ts";

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

const VARIABLES = {
  "pod-name": "POD_NAME",
  "pod-namespace": "POD_NAMESPACE",
  config: "SBD_CONFIG_NAME",
  "sbd-device": "SBD_DEVICE_PATH",
  "sbd-timeout-seconds": "SBD_TIMEOUT_SECONDS",
  "log-level": "SBD_LOG_LEVEL",
  "metrics-address": "SBD_METRICS_ADDRESS",
  "metrics-port": "SBD_METRICS_PORT",
  "lease-seconds": "SBD_LEASE_SECONDS",
} as const;

type Flag = keyof typeof VARIABLES;

const DEFAULTS: Partial<Record<Flag, string>> = {
  "pod-namespace": "sbd-system",
  "sbd-device": "/mnt/sbd-operator-device",
  "log-level": "info",
  "metrics-address": "::",
  "metrics-port": "8080",
  "lease-seconds": "15",
};
const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "fatal"];

/**
 * Reads flags, then variables, then defaults.
 *
 * @throws {FencerOptionError} naming the flag, the variable and the value
 */
export function readFencerOptions(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): FencerOptions {
  const given = parse(args);
  const value = (flag: Flag): string =>
    given[flag] ?? environment[VARIABLES[flag]] ?? DEFAULTS[flag] ?? "";
  const text = (flag: Flag): string => {
    if (value(flag) === "") {
      throw new FencerOptionError(
        `Cannot start as neither --${flag} nor ${VARIABLES[flag]} is set. Nobody is fenced.`,
      );
    }
    return value(flag);
  };
  const number = (flag: Flag, min: number, max: number): number => {
    const found = Number(text(flag));
    if (!Number.isInteger(found) || found < min || found > max) {
      throw refused(flag, text(flag), `a whole number from ${min} to ${max}`);
    }
    return found;
  };
  const logLevel = LEVELS.find((level) => level === text("log-level"));
  if (logLevel === undefined) {
    throw refused("log-level", text("log-level"), `one of ${LEVELS.join(", ")}`);
  }
  return {
    podName: text("pod-name"),
    namespace: text("pod-namespace"),
    configName: text("config"),
    devicePath: text("sbd-device"),
    timeoutMs:
      value("sbd-timeout-seconds") === "" ? null : number("sbd-timeout-seconds", 1, 3_600) * 1_000,
    logLevel,
    metricsAddress: text("metrics-address"),
    metricsPort: number("metrics-port", 0, 65_535),
    leaseMs: number("lease-seconds", 1, 3_600) * 1_000,
  };
}

function parse(args: readonly string[]): Partial<Record<Flag, string>> {
  const options = Object.fromEntries(
    Object.keys(VARIABLES).map((flag) => [flag, { type: "string" as const }]),
  );
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new FencerOptionError(error instanceof Error ? error.message : String(error));
  }
}

function refused(flag: Flag, value: string, wanted: string): FencerOptionError {
  return new FencerOptionError(
    `Cannot start as --${flag} (${VARIABLES[flag]}) must be ${wanted}: current value is '${value}'. ` +
      `Nobody is fenced.`,
  );
}
