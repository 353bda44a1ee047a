import { readFlags } from "../../program/flags.ts";
import { LOG_LEVELS, type LogLevel } from "../../program/log-level.ts";
import { PROGRAM_FLAGS } from "../../program/program-flags.ts";
import type { RebootMethod } from "../effect.ts";
import type { AskedContract, DeviceOwner } from "../../timing/device-agreement.ts";
import { AGREEMENT_FLAGS, readAgreement } from "./device-agreement-flags.ts";

/** How an agent is started: each flag, or the environment variable beside it. */
export type AgentOptions = {
  readonly nodeName: string;
  /** Null: the SBDNode of this node tells. */
  readonly nodeID: number | null;
  /** Whose SBDNodes count; null: every SBDConfig's. */
  readonly configName: string | null;
  readonly devicePath: string;
  readonly watchdogPath: string;
  /** What the SBDConfig asks for; null: whatever the device says. */
  readonly asked: AskedContract;
  /** Null: outside of clusters. */
  readonly owner: DeviceOwner | null;
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

export const AGENT_FLAGS = {
  "node-name": { variable: "NODE_NAME", text: "Kubernetes name of this node" },
  "node-id": { variable: "SBD_NODE_ID", text: "slot of this node, 1 to 255; else its SBDNode's" },
  config: { variable: "SBD_CONFIG_NAME", text: "SBDConfig whose SBDNodes count; else every one" },
  "sbd-device": {
    variable: "SBD_DEVICE_PATH",
    text: "shared device or directory",
    default: "/dev/sbd-watchdog",
  },
  "watchdog-path": {
    variable: "SBD_WATCHDOG_PATH",
    text: "watchdog device",
    default: "/dev/watchdog",
  },
  ...AGREEMENT_FLAGS,
  "reboot-method": {
    variable: "SBD_REBOOT_METHOD",
    text: "panic or systemctl-reboot",
    default: "panic",
  },
  "detect-only": {
    variable: "SBD_DETECT_ONLY",
    text: "true: never arm, never fence this node",
    default: "false",
  },
  "accept-unverified-watchdogs": {
    variable: "SBD_ACCEPT_UNVERIFIED_WATCHDOGS",
    text: "true: take a watchdog driver that nobody has measured at its word",
    default: "false",
  },
  "host-root": {
    variable: "SBD_HOST_ROOT",
    text: "where the host's /proc, /sys and /run are",
    default: "/",
  },
  "api-process": {
    variable: "SBD_API_PROCESS",
    text: "false: no child that talks to Kubernetes and serves /metrics",
    default: "true",
  },
  ...PROGRAM_FLAGS,
} as const;

/**
 * Reads flags, then variables, then defaults.
 *
 * @throws {FlagError} naming the flag, the variable and the value
 */
export function readAgentOptions(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): AgentOptions {
  const reader = readFlags(AGENT_FLAGS, args, environment, "This node is not protected.");
  const { value, required, wholeNumber, oneOf } = reader;
  return {
    nodeName: required("node-name"),
    nodeID: value("node-id") === "" ? null : wholeNumber("node-id", 1, 255),
    configName: value("config") === "" ? null : value("config"),
    devicePath: required("sbd-device"),
    watchdogPath: required("watchdog-path"),
    ...readAgreement(reader),
    rebootMethod: oneOf("reboot-method", ["panic", "systemctl-reboot"]),
    logLevel: oneOf("log-level", LOG_LEVELS),
    detectOnly: oneOf("detect-only", ["true", "false"]) === "true",
    acceptUnverifiedWatchdogs: oneOf("accept-unverified-watchdogs", ["true", "false"]) === "true",
    hostRoot: required("host-root"),
    apiProcess: oneOf("api-process", ["true", "false"]) === "true",
    metricsAddress: required("metrics-address"),
    metricsPort: wholeNumber("metrics-port", 0, 65_535),
  };
}
