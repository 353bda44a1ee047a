import type { HeartbeatRecord } from "../heartbeat-record.ts";

/** What a healthy, armed agent in slot 1 writes, but for what is given. */
export function armedHeartbeat(fields: Partial<HeartbeatRecord>): HeartbeatRecord {
  return {
    nodeID: 1,
    timestampNs: 0n,
    sequence: 1,
    bootID: "A",
    machineID: "m1",
    virtual: false,
    startID: "s1",
    nodeName: "worker-1",
    uptimeMs: 0,
    timeoutMs: 30_000,
    watchdogMs: 15_000,
    armed: true,
    detectOnly: false,
    leaving: false,
    fenced: false,
    acknowledgedEpoch: 0,
    seenEpoch: 0,
    moving: [],
    passLatencyMs: 1,
    ...fields,
  };
}
