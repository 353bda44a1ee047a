import type { AgentConfig } from "../agent-config.ts";
import { bootIDOf, machineIDOf, NODE_ID, NODE_NAME } from "./host.ts";
import { MAGICCLOSE, SETTIMEOUT } from "./kernel-watchdog.ts";

/** A node with a verified watchdog that does not tick, at the first start of its boot. */
export function agentConfig(changes: Partial<AgentConfig>): AgentConfig {
  return {
    nodeName: NODE_NAME,
    nodeID: NODE_ID,
    bootID: bootIDOf("A"),
    machineID: machineIDOf("m1"),
    virtual: false,
    startSeed: "000000000001",
    asked: { timeoutMs: null, watchdogMs: null, onStorageLoss: null },
    owner: null,
    detectOnly: false,
    rebootMethod: "panic",
    watchdogSurvivesReboot: false,
    acceptUnverifiedWatchdogs: false,
    watchdog: {
      kind: "present",
      path: "/dev/watchdog0",
      ticking: false,
      facts: {
        driver: "i6300esb",
        identity: "i6300ESB timer",
        options: SETTIMEOUT | MAGICCLOSE,
        nowayout: false,
        softNoboot: false,
        softRebootCmd: false,
        measuredFactor: null,
      },
    },
    memory: {
      mark: null,
      firstRead: null,
      deviceUUID: null,
      unconfirmedWrite: false,
      uncleanStarts: 0,
    },
    ...changes,
  };
}
