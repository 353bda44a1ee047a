import { movingNodeIDs } from "../../observation/sightings.ts";
import type { AgentState } from "../agent-state.ts";
import type { AgentStatus } from "./api-message.ts";
import { petCounts } from "./watchdog-control.ts";

/** What an agent tells of itself. */
export function agentStatus(state: AgentState, nowMs: number): AgentStatus {
  const { config, watchdog, device, lastGood } = state;
  return {
    nodeName: config.nodeName,
    nodeID: config.nodeID,
    bootID: config.bootID,
    machineID: config.machineID,
    deviceUUID: device?.header.deviceUUID ?? null,
    life: state.life.kind,
    watchdog: watchdog.kind === "open" ? (watchdog.armed ? "armed" : "unarmed") : watchdog.kind,
    effectiveWatchdogMs: watchdog.kind === "open" ? watchdog.effectiveMs : null,
    lastGoodPassAgeMs: lastGood === null ? null : nowMs - lastGood.startedMs,
    passLatencyMs: lastGood?.latencyMs ?? null,
    trouble: state.lastPass?.trouble?.detail ?? null,
    moving: device === null ? [] : movingNodeIDs(state.sightings, nowMs, device.timing.timeoutMs),
    ...petCounts(),
    selfFenced: state.life.kind === "latched",
  };
}
