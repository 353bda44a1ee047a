import type { AgentStatus } from "../../driver/api-message.ts";

export const BOOT_ID = "8c1d4c6e-93e0-4b9b-9c5a-0a6b3b1f7e21";
export const OTHER_BOOT_ID = "2b0e3a50-7f53-4f1e-8a55-6d0d35a1c902";

/** An armed agent of worker-1 in slot 1 to which nothing has happened. */
export function armedAgent(changes: Partial<AgentStatus> = {}): AgentStatus {
  return {
    nodeName: "worker-1",
    nodeID: 1,
    bootID: BOOT_ID,
    machineID: "a".repeat(32),
    startID: "0123456789ab0000",
    deviceUUID: "7f1d4c6e-93e0-4b9b-9c5a-0a6b3b1f7e99",
    header: {
      timeoutMs: 6_000,
      watchdogMs: 4_000,
      onStorageLoss: "SelfFence",
      configUID: "7f1d4c6e-93e0-4b9b-9c5a-000000000001",
      clusterUID: "7f1d4c6e-93e0-4b9b-9c5a-000000000002",
    },
    difference: null,
    timing: { timeoutMs: 6_000, watchdogMs: 4_000, msgwaitMs: 16_000 },
    life: "serving",
    detectOnly: false,
    watchdog: "armed",
    watchdogDevice: {
      path: "/dev/watchdog",
      identity: "i6300ESB timer",
      driver: null,
      timeoutSeconds: 4,
      verified: true,
      refusal: null,
    },
    effectiveWatchdogMs: 4_000,
    lastGoodPassAgeMs: 100,
    passLatencyMs: 2.4,
    passes: 10,
    trouble: null,
    moving: [1, 2],
    peers: [
      { nodeID: 2, nodeName: "worker-2", moving: true, movedAgeMs: 500 },
      { nodeID: 3, nodeName: "worker-3", moving: false, movedAgeMs: 9_000 },
    ],
    stillSlots: [],
    watchedForMs: 60_000,
    fenceUnreadableSinceWallMs: null,
    seenEpoch: 0,
    pets: 42,
    petErrors: 0,
    ioErrors: 0,
    selfFenced: false,
    ...changes,
  };
}
