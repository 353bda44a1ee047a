import type { SBDConfig } from "../api/sbd-config.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import { defaultWatchdogMs, deriveTiming, TimingError, type Timing } from "../timing/contract.ts";
import { contractDifference, type DeviceContract } from "../timing/device-agreement.ts";
import type { Snapshot } from "./snapshot.ts";

/** The contract that an SBDConfig asks for. */
export function askedContract({ spec }: SBDConfig): DeviceContract {
  const timeoutMs = spec.sbdTimeoutSeconds * 1_000;
  const watchdogMs =
    spec.watchdogTimeoutSeconds === undefined
      ? defaultWatchdogMs(timeoutMs)
      : spec.watchdogTimeoutSeconds * 1_000;
  return { timeoutMs, watchdogMs, onStorageLoss: spec.onStorageLoss };
}

/** The contract in the header that an agent lives by; null where it has told none. */
export function reportedContract({ status: { contract } }: SBDNode): DeviceContract | null {
  return contract === undefined
    ? null
    : {
        timeoutMs: contract.sbdTimeoutSeconds * 1_000,
        watchdogMs: contract.watchdogTimeoutSeconds * 1_000,
        onStorageLoss: contract.onStorageLoss,
      };
}

/**
 * T, W and the rest that everybody on the device lives by: what the agents have read in its header, the
 * longest where a boot that fell silent had read another one; what the SBDConfig asks for where no agent
 * has told.
 *
 * @throws {TimingError}
 */
export function timingOf(config: SBDConfig, snapshot: Snapshot): Timing {
  const told = reportedContracts(config, snapshot);
  return deriveTiming(
    told.length === 0
      ? askedContract(config)
      : {
          timeoutMs: Math.max(...told.map(({ timeoutMs }) => timeoutMs)),
          watchdogMs: Math.max(...told.map(({ watchdogMs }) => watchdogMs)),
        },
  );
}

/**
 * M in milliseconds. A config whose times are out of range, stored before a rule refused it, has
 * none: nothing can be armed by it, so there is nothing to wait for.
 */
export function boundMsOf(config: SBDConfig, snapshot: Snapshot): number {
  try {
    return timingOf(config, snapshot).msgwaitMs;
  } catch (error) {
    if (error instanceof TimingError) {
      return 0;
    }
    throw error;
  }
}

/** What the headers that agents live by say otherwise than the SBDConfig, one clause each. */
export function differencesOf(config: SBDConfig, snapshot: Snapshot): readonly string[] {
  const asked = askedContract(config);
  const told = reportedContracts(config, snapshot).flatMap(
    (contract) => contractDifference(contract, asked) ?? [],
  );
  return [...new Set(told)];
}

function reportedContracts(config: SBDConfig, { sbdNodes }: Snapshot): readonly DeviceContract[] {
  return sbdNodes
    .filter(({ spec }) => spec.configName === config.metadata.name)
    .flatMap((node) => reportedContract(node) ?? []);
}
