import { movingNodeIDs } from "../observation/sightings.ts";
import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";
import type { Timing } from "../timing/contract.ts";
import { isArmed, type AgentState } from "./agent-state.ts";

/** Four hex digits of the start ID count the starts within a process. */
const STARTS_PER_PROCESS = 0x1_0000;

/**
 * A new uninterrupted sequence of heartbeats: readers take each one of a sequence as proof that the one
 * before it had landed when this one's uptime was sampled. The sequence number goes on, so that a
 * start ID which comes round again after 65536 starts repeats no heartbeat.
 */
export function newStart(state: AgentState): AgentState {
  return { ...state, starts: (state.starts + 1) % STARTS_PER_PROCESS };
}

/** After a write whose fate is unknown: it may still land. */
export function newStartAfterFailure(state: AgentState): AgentState {
  return { ...newStart(state), lastWritten: null, unconfirmedWrite: true };
}

/** The next heartbeat of this start. */
export function nextHeartbeat(
  state: AgentState,
  timing: Timing,
  fields: Pick<HeartbeatRecord, "leaving" | "fenced" | "acknowledgedEpoch">,
  nowMs: number,
): HeartbeatRecord {
  const { config } = state;
  return {
    nodeID: config.nodeID,
    timestampNs: state.lastWallNs,
    sequence: state.sequence + 1,
    bootID: config.bootID,
    machineID: config.machineID,
    virtual: config.virtual,
    startID: config.startSeed + state.starts.toString(16).padStart(4, "0"),
    nodeName: config.nodeName,
    uptimeMs: state.lastUptimeMs,
    timeoutMs: timing.timeoutMs,
    watchdogMs: timing.watchdogMs,
    armed: isArmed(state),
    detectOnly: config.detectOnly,
    seenEpoch: state.seenEpoch,
    moving: movingNodeIDs(state.sightings, nowMs, timing.timeoutMs),
    passLatencyMs: Math.max(0, Math.round(state.lastGood?.latencyMs ?? 0)),
    ...fields,
  };
}
