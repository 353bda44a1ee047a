import type { AskedContract, DeviceOwner } from "../../timing/device-agreement.ts";
import type { FlagReader } from "../../program/flags.ts";

/** Of agents and fencers. */
export const AGREEMENT_FLAGS = {
  "sbd-timeout-seconds": {
    variable: "SBD_TIMEOUT_SECONDS",
    text: "T, compared with the device's",
  },
  "watchdog-timeout-seconds": {
    variable: "SBD_WATCHDOG_TIMEOUT_SECONDS",
    text: "W, compared with the device's",
  },
  "on-storage-loss": {
    variable: "SBD_ON_STORAGE_LOSS",
    text: "SelfFence or SurviveWithApi, compared with the device's",
  },
  "config-uid": {
    variable: "SBD_CONFIG_UID",
    text: "UID of the SBDConfig whose device it must be",
  },
  "cluster-uid": {
    variable: "SBD_CLUSTER_UID",
    text: "UID of the cluster's namespace kube-system",
  },
} as const;

/** What agent and fencer hold against the device header, and whose device it must be. */
export function readAgreement({
  value,
  wholeNumber,
  oneOf,
  required,
}: FlagReader<keyof typeof AGREEMENT_FLAGS>): {
  readonly asked: AskedContract;
  readonly owner: DeviceOwner | null;
} {
  const ms = (flag: "sbd-timeout-seconds" | "watchdog-timeout-seconds"): number | null =>
    value(flag) === "" ? null : wholeNumber(flag, 1, 3_600) * 1_000;
  const isOwned = value("config-uid") !== "" || value("cluster-uid") !== "";
  return {
    asked: {
      timeoutMs: ms("sbd-timeout-seconds"),
      watchdogMs: ms("watchdog-timeout-seconds"),
      onStorageLoss:
        value("on-storage-loss") === ""
          ? null
          : oneOf("on-storage-loss", ["SelfFence", "SurviveWithApi"]),
    },
    owner: isOwned
      ? { configUID: required("config-uid"), clusterUID: required("cluster-uid") }
      : null,
  };
}
