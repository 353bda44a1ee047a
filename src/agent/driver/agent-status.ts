import { movingNodeIDs, recordIn, type SlotSighting } from "../../observation/sightings.ts";
import { judgeWatchdog } from "../../timing/watchdog-effect.ts";
import { contractDifference } from "../../timing/device-agreement.ts";
import type { AgentState } from "../agent-state.ts";
import type { AgentStatus, PeerStatus, StillSlot, WatchdogStatus } from "./api-message.ts";

const NS_PER_MS = 1_000_000n;

/** What the shell counts, for reports. */
export type AgentCounts = {
  readonly pets: number;
  readonly petErrors: number;
  readonly ioErrors: number;
  /** When this process first read the slots; null before. */
  readonly watchingSinceMs: number | null;
};

/** What an agent tells of itself. */
export function agentStatus(state: AgentState, counts: AgentCounts, nowMs: number): AgentStatus {
  const { config, watchdog, device, lastGood } = state;
  const { pets, petErrors, ioErrors, watchingSinceMs } = counts;
  const timeoutMs = device?.timing.timeoutMs ?? Infinity;
  return {
    nodeName: config.nodeName,
    nodeID: config.nodeID,
    bootID: config.bootID,
    machineID: config.machineID,
    startID: config.startSeed + state.starts.toString(16).padStart(4, "0"),
    deviceUUID: device?.header.deviceUUID ?? null,
    header: device === null ? null : headerOf(device.header),
    difference: device === null ? null : contractDifference(device.header, config.asked),
    timing: device === null ? null : timingOf(device.timing),
    life: state.life.kind,
    detectOnly: config.detectOnly,
    watchdog: watchdog.kind === "open" ? (watchdog.armed ? "armed" : "unarmed") : watchdog.kind,
    watchdogDevice: watchdogStatus(state),
    effectiveWatchdogMs: watchdog.kind === "open" ? watchdog.effectiveMs : null,
    lastGoodPassAgeMs: lastGood === null ? null : nowMs - lastGood.startedMs,
    passLatencyMs: lastGood?.latencyMs ?? null,
    passes: state.passes,
    trouble: state.lastPass?.trouble?.detail ?? null,
    moving: device === null ? [] : movingNodeIDs(state.sightings, nowMs, timeoutMs),
    peers: peersOf(state, nowMs, timeoutMs),
    stillSlots: stillSlotsOf(state, nowMs, timeoutMs),
    watchedForMs: watchingSinceMs === null ? null : nowMs - watchingSinceMs,
    fenceUnreadableSinceWallMs: state.fenceUnreadable?.lasting
      ? Number(state.fenceUnreadable.sinceWallNs / NS_PER_MS)
      : null,
    seenEpoch: state.seenEpoch,
    pets,
    petErrors,
    ioErrors,
    selfFenced: state.life.kind === "latched",
  };
}

function headerOf({
  timeoutMs,
  watchdogMs,
  onStorageLoss,
  configUID,
  clusterUID,
}: NonNullable<AgentStatus["header"]>): NonNullable<AgentStatus["header"]> {
  return { timeoutMs, watchdogMs, onStorageLoss, configUID, clusterUID };
}

function timingOf({
  timeoutMs,
  watchdogMs,
  msgwaitMs,
}: NonNullable<AgentStatus["timing"]>): NonNullable<AgentStatus["timing"]> {
  return { timeoutMs, watchdogMs, msgwaitMs };
}

function watchdogStatus({ config, watchdog, device }: AgentState): WatchdogStatus {
  const { watchdog: found, acceptUnverifiedWatchdogs } = config;
  const refusal = watchdog.kind === "refused" ? watchdog.message : null;
  if (found.kind === "absent") {
    const absent = { identity: null, driver: null, timeoutSeconds: null, verified: false };
    return { path: found.path, ...absent, refusal: refusal ?? found.detail };
  }
  const judgement =
    device === null
      ? null
      : judgeWatchdog(found.facts, device.timing, { acceptUnverified: acceptUnverifiedWatchdogs });
  const usable = judgement?.kind === "usable" ? judgement : null;
  return {
    path: found.path,
    identity: found.facts.identity === "" ? null : found.facts.identity,
    driver: found.facts.driver,
    timeoutSeconds:
      watchdog.kind === "open" && watchdog.effectiveMs !== null && usable !== null
        ? Math.floor(watchdog.effectiveMs / usable.factor / 1_000)
        : null,
    verified: usable?.verified ?? false,
    refusal: refusal ?? (judgement?.kind === "refused" ? judgement.message : null),
  };
}

function peersOf(
  { config, sightings }: AgentState,
  nowMs: number,
  timeoutMs: number,
): PeerStatus[] {
  return [...sightings.heartbeats.values()].flatMap((slot) => {
    const nodeName = recordIn(slot)?.nodeName ?? slot.boots[0]?.record.nodeName;
    if (slot.nodeID === config.nodeID || nodeName === undefined) {
      return [];
    }
    const movedMs = slot.boots.map(({ moved }) => moved?.toMs ?? -Infinity);
    const lastMovedMs = Math.max(-Infinity, ...movedMs);
    const movedAgeMs = lastMovedMs === -Infinity ? null : nowMs - lastMovedMs;
    const moving = movedAgeMs !== null && movedAgeMs <= timeoutMs;
    return [{ nodeID: slot.nodeID, nodeName, moving, movedAgeMs }];
  });
}

function stillSlotsOf(
  { config, sightings }: AgentState,
  nowMs: number,
  timeoutMs: number,
): StillSlot[] {
  return [...sightings.heartbeats.values()].flatMap((slot) => {
    const stillMs = nowMs - slot.shownMs;
    const content = contentOf(slot);
    const isBeating = content === "Heartbeat" && !(stillMs > timeoutMs);
    return slot.nodeID === config.nodeID || content === null || isBeating
      ? []
      : [{ nodeID: slot.nodeID, content, bootID: recordIn(slot)?.bootID ?? null, stillMs }];
  });
}

function contentOf({ slot }: SlotSighting): StillSlot["content"] | null {
  switch (slot.kind) {
    case "empty":
      return null;
    case "heartbeat":
      return "Heartbeat";
    case "bare-heartbeat":
    case "bare-fence":
      return "GoHeartbeat";
    case "unreadable":
      return "Unreadable";
  }
}
