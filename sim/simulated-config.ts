import { API_VERSION } from "../src/api/group.ts";
import { CONFIG_FINALIZER } from "../src/api/remediation-names.ts";
import { SBD_CONFIG, type SBDConfig } from "../src/api/sbd-config.ts";
import { CONFIG_NAME } from "./api-store.ts";
import type { DeviceContract } from "../src/timing/device-agreement.ts";
import type { Schedule } from "./schedule.ts";

/** The SBDConfig of the one device that a run is about, its defaults filled in. */
export function configFor(schedule: Schedule): SBDConfig {
  const { pausableNodes, startupTaint } = schedule;
  const { timeoutMs, watchdogMs, onStorageLoss } = askedIn(schedule);
  return {
    apiVersion: API_VERSION,
    kind: "SBDConfig",
    metadata: { name: CONFIG_NAME, finalizers: [CONFIG_FINALIZER] },
    spec: SBD_CONFIG.spec.parse({
      sbdDevicePVCName: "sbd-device",
      sbdWatchdogPath: "/dev/watchdog",
      sbdTimeoutSeconds: timeoutMs / 1_000,
      watchdogTimeoutSeconds: watchdogMs / 1_000,
      onStorageLoss,
      pausableNodes,
      startupTaint,
    }),
    status: {},
  };
}

/** The contract as the SBDConfig has it. */
export function askedIn(schedule: Schedule): DeviceContract {
  const { timeoutMs, watchdogMs, onStorageLoss, misconfigured } = schedule;
  return { timeoutMs, watchdogMs, onStorageLoss, ...misconfigured };
}
