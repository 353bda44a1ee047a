import type { DeviceHeader } from "../src/protocol/device-header.ts";
import type { DeviceOwner } from "../src/timing/device-agreement.ts";
import type { Schedule } from "./schedule.ts";

/** Of every run. */
export const OWNER: DeviceOwner = { configUID: "config-1", clusterUID: "cluster-1" };

/** The header of the one device that a run is about. */
export function headerFor(schedule: Schedule): DeviceHeader {
  const { timeoutMs, watchdogMs, onStorageLoss } = schedule;
  return {
    formatVersion: 1,
    deviceUUID: "device-1",
    generation: 1,
    strideBytes: 512,
    ...OWNER,
    clusterName: "simulated",
    timeoutMs,
    watchdogMs,
    onStorageLoss,
    createdNs: 0n,
  };
}

/** Another cluster's device. */
export function foreignHeader(): DeviceHeader {
  return {
    formatVersion: 1,
    deviceUUID: "device-2",
    generation: 1,
    strideBytes: 512,
    configUID: "config-2",
    clusterUID: "cluster-2",
    clusterName: "foreign",
    timeoutMs: 30_000,
    watchdogMs: 15_000,
    onStorageLoss: "SelfFence",
    createdNs: 0n,
  };
}
