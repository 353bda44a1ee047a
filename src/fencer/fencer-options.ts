import { AGREEMENT_FLAGS, readAgreement } from "../agent/shell/device-agreement-flags.ts";
import { SYSTEM_NAMESPACE } from "../api/group.ts";
import { readFlags } from "../program/flags.ts";
import { LOG_LEVELS, type LogLevel } from "../program/log-level.ts";
import { PROGRAM_FLAGS } from "../program/program-flags.ts";
import type { AskedContract, DeviceOwner } from "../timing/device-agreement.ts";

/** How a fencer that runs without an agent is started: each flag, or the variable beside it. */
export type FencerOptions = {
  /** This pod: its name in messages, and among the fencers of its Deployment. */
  readonly podName: string;
  /** Where its Lease is. */
  readonly namespace: string;
  /** The SBDConfig whose device it writes to. */
  readonly configName: string;
  readonly devicePath: string;
  /** What the SBDConfig asks for; null: whatever the device says. */
  readonly asked: AskedContract;
  /** Null: outside of clusters. */
  readonly owner: DeviceOwner | null;
  readonly logLevel: LogLevel;
  readonly metricsAddress: string;
  /** 0: one that is free. */
  readonly metricsPort: number;
  /** How long a fencer that is silent keeps the other one waiting. */
  readonly leaseMs: number;
};

export const FENCER_FLAGS = {
  "pod-name": { variable: "POD_NAME", text: "this pod" },
  "pod-namespace": {
    variable: "POD_NAMESPACE",
    text: "where its Lease is",
    default: SYSTEM_NAMESPACE,
  },
  config: { variable: "SBD_CONFIG_NAME", text: "SBDConfig whose device it writes to" },
  "sbd-device": {
    variable: "SBD_DEVICE_PATH",
    text: "shared device or directory",
    default: "/mnt/sbd-operator-device",
  },
  ...AGREEMENT_FLAGS,
  "lease-seconds": {
    variable: "SBD_LEASE_SECONDS",
    text: "how long a silent fencer keeps the other one waiting",
    default: "15",
  },
  ...PROGRAM_FLAGS,
} as const;

/**
 * Reads flags, then variables, then defaults.
 *
 * @throws {FlagError} naming the flag, the variable and the value
 */
export function readFencerOptions(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): FencerOptions {
  const reader = readFlags(FENCER_FLAGS, args, environment, "Nobody is fenced.");
  const { required, wholeNumber, oneOf } = reader;
  return {
    podName: required("pod-name"),
    namespace: required("pod-namespace"),
    configName: required("config"),
    devicePath: required("sbd-device"),
    ...readAgreement(reader),
    logLevel: oneOf("log-level", LOG_LEVELS),
    metricsAddress: required("metrics-address"),
    metricsPort: wholeNumber("metrics-port", 0, 65_535),
    leaseMs: wholeNumber("lease-seconds", 1, 3_600) * 1_000,
  };
}
