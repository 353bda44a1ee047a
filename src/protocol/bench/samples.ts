import type { DeviceHeader } from "../device-header.ts";
import type { FenceRecord } from "../fence-record.ts";
import type { HeartbeatRecord } from "../heartbeat-record.ts";

/** A heartbeat as an agent of a three-node cluster writes it. */
export const HEARTBEAT: HeartbeatRecord = {
  nodeID: 7,
  timestampNs: 1_780_000_000_123_456_789n,
  sequence: 42,
  bootID: "0f8fad5b-d9cb-469f-a165-70867728950e",
  machineID: "00112233445566778899aabbccddeeff",
  virtual: true,
  startID: "0123456789abcdef",
  nodeName: "worker-7",
  uptimeMs: 123_456_789,
  timeoutMs: 5000,
  watchdogMs: 10_000,
  armed: true,
  detectOnly: false,
  leaving: false,
  fenced: true,
  acknowledgedEpoch: 3,
  seenEpoch: 4,
  moving: [1, 2, 255],
  passLatencyMs: 17,
};

/** A fence message from node 1 to one boot of node 2. */
export const FENCE: FenceRecord = {
  senderID: 1,
  timestampNs: 1_780_000_000_123_456_789n,
  sequence: 200,
  targetNodeID: 2,
  reason: 1,
  epoch: 9,
  nonce: "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
  requestUID: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
  targetBootID: "0f8fad5b-d9cb-469f-a165-70867728950e",
  targetMachineID: "00112233445566778899aabbccddeeff",
  fencerName: "worker-1",
  msgwaitMs: 27_000,
};

/** A device initialised for the third time, without a known cluster. */
export const DEVICE: DeviceHeader = {
  formatVersion: 1,
  deviceUUID: "0f8fad5b-d9cb-469f-a165-70867728950e",
  generation: 3,
  strideBytes: 512,
  configUID: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
  clusterUID: "00000000-0000-0000-0000-000000000000",
  clusterName: "prod",
  timeoutMs: 5000,
  watchdogMs: 10_000,
  onStorageLoss: "SurviveWithApi",
  createdNs: 1_780_000_000_123_456_789n,
};
