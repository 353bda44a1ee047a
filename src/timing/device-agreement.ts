import type { DeviceHeader, OnStorageLoss } from "../protocol/device-header.ts";
import { seconds } from "./contract.ts";

/** What a program was configured with, to be held against the device header; null = nothing. */
export type AskedContract = {
  readonly timeoutMs: number | null;
  readonly watchdogMs: number | null;
  readonly onStorageLoss: OnStorageLoss | null;
};

/** The contract in a device header, which counts whatever was asked for. */
export type DeviceContract = Pick<DeviceHeader, "timeoutMs" | "watchdogMs" | "onStorageLoss">;

/** Whose device it must be: UID of the SBDConfig, and of the cluster's namespace kube-system. */
export type DeviceOwner = Pick<DeviceHeader, "configUID" | "clusterUID">;

export const NIL_UUID = "00000000-0000-0000-0000-000000000000";

/**
 * Why a device is not to be used by the programs of `owner`, with the remedy; null where it is theirs.
 * Nodes of two clusters may have the same names, and would obey each other's fence messages.
 */
export function whyNotOwned(header: DeviceOwner, owner: DeviceOwner | null): string | null {
  if (
    owner === null ||
    (header.configUID === owner.configUID && header.clusterUID === owner.clusterUID)
  ) {
    return null;
  }
  if (header.configUID === NIL_UUID || header.clusterUID === NIL_UUID) {
    return (
      `the device header names no SBDConfig and no cluster, so another cluster may use this device ` +
      `too. Where nothing else uses it, initialise it again with sbdctl device init --force --config-uid ` +
      `${owner.configUID} --cluster-uid ${owner.clusterUID}`
    );
  }
  return header.clusterUID === owner.clusterUID
    ? `the device belongs to the SBDConfig with UID ${header.configUID} of this cluster, not to ` +
        `${owner.configUID}. One device serves one SBDConfig: give this one a PVC of its own; if the ` +
        `other was deleted, initialise the device for this one with sbdctl device init`
    : `the device belongs to the cluster with UID ${header.clusterUID}, not to this one ` +
        `(${owner.clusterUID}), whose nodes would be fenced as its own. Give the SBDConfig a PVC that ` +
        `no other cluster uses`;
}

/** What differs between a header and what was asked for, one clause each; null where nothing does. */
export function contractDifference(header: DeviceContract, asked: AskedContract): string | null {
  const differing = [
    clause("T", header.timeoutMs, asked.timeoutMs, seconds),
    clause("W", header.watchdogMs, asked.watchdogMs, seconds),
    clause("onStorageLoss", header.onStorageLoss, asked.onStorageLoss, String),
  ].filter((text) => text !== null);
  return differing.length === 0 ? null : differing.join(", ");
}

function clause<Value>(
  what: string,
  inForce: Value,
  asked: Value | null,
  print: (value: Value) => string,
): string | null {
  return asked === null || asked === inForce
    ? null
    : `${what} is ${print(inForce)} in the device header and ${print(asked)} was asked for`;
}
