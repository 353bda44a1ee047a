import { hostname } from "node:os";

import { SYSTEM_NAMESPACE } from "../../api/group.ts";
import { readFlags } from "../../program/flags.ts";
import { LOG_LEVELS, type LogLevel } from "../../program/log-level.ts";
import { PROGRAM_FLAGS } from "../../program/program-flags.ts";

/** How an operator is started: each flag, or the variable beside it. */
export type OperatorOptions = {
  /** This replica, as its Lease names it. */
  readonly podName: string;
  /** Where agents, fencers and the Lease are. */
  readonly namespace: string;
  /** Image of agents and fencers where an SBDConfig names none; null: this operator's own. */
  readonly agentImage: string | null;
  readonly logLevel: LogLevel;
  readonly metricsAddress: string;
  /** 0: one that is free. */
  readonly metricsPort: number;
  /** How long a leader that is silent keeps the others waiting. */
  readonly leaseMs: number;
};

export const OPERATOR_FLAGS = {
  "pod-name": { variable: "POD_NAME", text: "this replica; else the host's name" },
  namespace: {
    variable: "DEPLOYMENT_NAMESPACE",
    text: "where agents, fencers and the Lease are",
    default: SYSTEM_NAMESPACE,
  },
  "agent-image": {
    variable: "SBD_AGENT_IMAGE",
    text: "image of agents and fencers where an SBDConfig names none; else this pod's",
  },
  "lease-seconds": {
    variable: "SBD_LEASE_SECONDS",
    text: "how long a silent leader keeps the others waiting",
    default: "15",
  },
  ...PROGRAM_FLAGS,
} as const;

/**
 * Reads flags, then variables, then defaults.
 *
 * @throws {FlagError} naming the flag, the variable and the value
 */
export function readOperatorOptions(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): OperatorOptions {
  const { value, required, wholeNumber, oneOf } = readFlags(
    OPERATOR_FLAGS,
    args,
    environment,
    "This replica would lead nothing: another operator does the work, if there is one.",
  );
  return {
    podName: value("pod-name") === "" ? hostname() : value("pod-name"),
    namespace: required("namespace"),
    agentImage: value("agent-image") === "" ? null : value("agent-image"),
    logLevel: oneOf("log-level", LOG_LEVELS),
    metricsAddress: required("metrics-address"),
    metricsPort: wholeNumber("metrics-port", 0, 65_535),
    leaseMs: wholeNumber("lease-seconds", 1, 3_600) * 1_000,
  };
}
