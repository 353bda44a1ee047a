import { parseArgs } from "node:util";

import type { LogLevel, RebootMethod } from "../effect.ts";

/** How an agent is started: each flag, or the environment variable beside it. */
export type AgentOptions = {
  readonly nodeName: string;
  /** Null: the SBDNode of this node tells. */
  readonly nodeID: number | null;
  /** Whose SBDNodes count; null: every SBDConfig's. */
  readonly configName: string | null;
  readonly devicePath: string;
  readonly watchdogPath: string;
  /** Null: take the device's. */
  readonly timeoutMs: number | null;
  readonly rebootMethod: RebootMethod;
  readonly logLevel: LogLevel;
  readonly detectOnly: boolean;
  readonly acceptUnverifiedWatchdogs: boolean;
  /** Where the host's /proc, /sys, /etc, /dev and /run are seen. */
  readonly hostRoot: string;
  /** False: somebody else speaks for the cluster at the agent's socket. */
  readonly apiProcess: boolean;
  readonly metricsAddress: string;
  /** 0: one that is free. */
  readonly metricsPort: number;
};

/** Thrown for a flag or variable that cannot be meant. */
export class AgentOptionError extends Error {
  override readonly name = "AgentOptionError";
}

const FLAGS = {
  "node-name": { variable: "NODE_NAME", text: "Kubernetes name of this node" },
  "node-id": { variable: "SBD_NODE_ID", text: "slot of this node, 1 to 255; else its SBDNode's" },
  config: { variable: "SBD_CONFIG_NAME", text: "SBDConfig whose SBDNodes count; else every one" },
  "sbd-device": { variable: "SBD_DEVICE_PATH", text: "shared device or directory" },
  "watchdog-path": { variable: "SBD_WATCHDOG_PATH", text: "watchdog device" },
  "sbd-timeout-seconds": { variable: "SBD_TIMEOUT_SECONDS", text: "T, checked against the device" },
  "reboot-method": { variable: "SBD_REBOOT_METHOD", text: "panic or systemctl-reboot" },
  "log-level": { variable: "SBD_LOG_LEVEL", text: "debug, info, warn, error or fatal" },
  "detect-only": { variable: "SBD_DETECT_ONLY", text: "true: never arm, never fence this node" },
  "accept-unverified-watchdogs": {
    variable: "SBD_ACCEPT_UNVERIFIED_WATCHDOGS",
    text: "true: take a watchdog driver that nobody has measured at its word",
  },
  "host-root": { variable: "SBD_HOST_ROOT", text: "where the host's /proc, /sys and /run are" },
  "api-process": {
    variable: "SBD_API_PROCESS",
    text: "false: no child that talks to Kubernetes and serves /metrics",
  },
  "metrics-address": { variable: "SBD_METRICS_ADDRESS", text: "address /metrics is served at" },
  "metrics-port": { variable: "SBD_METRICS_PORT", text: "port /metrics is served at, 0 = any" },
} as const;

type Flag = keyof typeof FLAGS;

const DEFAULTS: Partial<Record<Flag, string>> = {
  "sbd-device": "/dev/sbd-watchdog",
  "watchdog-path": "/dev/watchdog",
  "reboot-method": "panic",
  "log-level": "info",
  "detect-only": "false",
  "accept-unverified-watchdogs": "false",
  "host-root": "/",
  "api-process": "true",
  "metrics-address": "::",
  "metrics-port": "8080",
};

/**
 * Reads flags, then variables, then defaults.
 *
 * @throws {AgentOptionError} naming the flag, the variable and the value
 */
export function readAgentOptions(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): AgentOptions {
  const given = parse(args);
  const value = (flag: Flag): string =>
    given[flag] ?? environment[FLAGS[flag].variable] ?? DEFAULTS[flag] ?? "";
  const timeout = value("sbd-timeout-seconds");
  return {
    nodeName: required("node-name", value("node-name")),
    nodeID: value("node-id") === "" ? null : wholeNumber("node-id", value("node-id"), 1, 255),
    configName: value("config") === "" ? null : value("config"),
    devicePath: required("sbd-device", value("sbd-device")),
    watchdogPath: required("watchdog-path", value("watchdog-path")),
    timeoutMs:
      timeout === "" ? null : wholeNumber("sbd-timeout-seconds", timeout, 1, 3_600) * 1_000,
    rebootMethod: oneOf("reboot-method", value("reboot-method"), ["panic", "systemctl-reboot"]),
    logLevel: oneOf("log-level", value("log-level"), ["debug", "info", "warn", "error", "fatal"]),
    detectOnly: oneOf("detect-only", value("detect-only"), ["true", "false"]) === "true",
    acceptUnverifiedWatchdogs:
      oneOf("accept-unverified-watchdogs", value("accept-unverified-watchdogs"), [
        "true",
        "false",
      ]) === "true",
    hostRoot: required("host-root", value("host-root")),
    apiProcess: oneOf("api-process", value("api-process"), ["true", "false"]) === "true",
    metricsAddress: required("metrics-address", value("metrics-address")),
    metricsPort: wholeNumber("metrics-port", value("metrics-port"), 0, 65_535),
  };
}

/** One line a flag. */
export function agentUsage(): string {
  const lines = Object.entries(FLAGS).map(
    ([flag, { variable, text }]) => `  --${flag.padEnd(28)} ${variable.padEnd(32)} ${text}`,
  );
  return ["usage: sbd-agent [flags]; each flag has an environment variable", ...lines].join("\n");
}

function parse(args: readonly string[]): Partial<Record<Flag, string>> {
  const options = Object.fromEntries(
    Object.keys(FLAGS).map((flag) => [flag, { type: "string" as const }]),
  );
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new AgentOptionError(error instanceof Error ? error.message : String(error));
  }
}

function required(flag: Flag, value: string): string {
  if (value === "") {
    throw new AgentOptionError(
      `Cannot start as neither --${flag} nor ${FLAGS[flag].variable} is set: ${FLAGS[flag].text}. ` +
        `This node is not protected.`,
    );
  }
  return value;
}

function wholeNumber(flag: Flag, value: string, min: number, max: number): number {
  const number = Number(required(flag, value));
  if (!Number.isInteger(number) || number < min || number > max) {
    throw new AgentOptionError(
      `Cannot start as --${flag} (${FLAGS[flag].variable}) must be a whole number from ${min} to ` +
        `${max}: current value is '${value}'. This node is not protected.`,
    );
  }
  return number;
}

function oneOf<const Value extends string>(
  flag: Flag,
  value: string,
  values: readonly Value[],
): Value {
  const found = values.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new AgentOptionError(
      `Cannot start as --${flag} (${FLAGS[flag].variable}) must be one of ${values.join(", ")}: ` +
        `current value is '${value}'. This node is not protected.`,
    );
  }
  return found;
}
