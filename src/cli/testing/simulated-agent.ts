import { randomBytes, randomUUID } from "node:crypto";
import type { TestContext } from "node:test";

import { openSlotDevice } from "../../platform/slot-device.ts";
import { hostClock } from "../../platform/host-clock.ts";
import type { FenceRecord } from "../../protocol/fence-record.ts";
import type { HeartbeatRecord } from "../../protocol/heartbeat-record.ts";
import { armedHeartbeat } from "../../protocol/testing/heartbeat-record.ts";

export type SimulatedAgentOptions = {
  readonly nodeID: number;
  readonly nodeName: string;
  /** What it does with a message for its boot. */
  readonly obeys: "never" | "acknowledges";
  readonly flags?: Partial<Pick<HeartbeatRecord, "armed" | "detectOnly" | "leaving">>;
};

/** A node as its slot shows it, beating from the test's own process. */
export type SimulatedAgent = {
  readonly bootID: string;
  /** Beats no more. */
  stop(): void;
  /** Beats again, as another boot of the same machine. */
  bootAgain(): void;
};

const BEAT_EVERY_MS = 100;
const MACHINE_ID = "5".repeat(32);

/** T = 3 s, W = 2 s, the shortest that there are. */
export function heartbeatOf(changes: Partial<HeartbeatRecord>): HeartbeatRecord {
  return armedHeartbeat({
    timestampNs: hostClock.wallNs(),
    bootID: randomUUID(),
    machineID: MACHINE_ID,
    startID: randomBytes(8).toString("hex"),
    nodeName: "node-a",
    uptimeMs: 1_000_000,
    timeoutMs: 3_000,
    watchdogMs: 2_000,
    ...changes,
  });
}

/** A fence message of node-a to that boot of node 2. */
export function messageTo(targetBootID: string): FenceRecord {
  return {
    senderID: 1,
    timestampNs: 1n,
    sequence: 4,
    targetNodeID: 2,
    reason: 1,
    epoch: 6,
    nonce: "a".repeat(32),
    requestUID: randomUUID(),
    targetBootID,
    targetMachineID: MACHINE_ID,
    fencerName: "node-a",
    msgwaitMs: 9_000,
  };
}

/** Starts beating at once; the first heartbeat is on the device when this returns. */
export function startSimulatedAgent(
  context: TestContext,
  path: string,
  { nodeID, nodeName, obeys, flags = {} }: SimulatedAgentOptions,
): SimulatedAgent {
  const device = openSlotDevice(path);
  device.readHeader();
  let record = heartbeatOf({ nodeID, nodeName, ...flags });
  const { bootID } = record;
  let bornMs = hostClock.livedMs();
  let timer: NodeJS.Timeout | null = null;

  function beat(): void {
    const fence = device.readFence(nodeID);
    const addressed = fence.kind === "fence" && fence.record.targetBootID === record.bootID;
    record = {
      ...record,
      sequence: record.sequence + 1,
      uptimeMs: Math.floor(hostClock.livedMs() - bornMs) + 1,
    };
    if (addressed && obeys !== "never") {
      device.writeHeartbeat({ ...record, fenced: true, acknowledgedEpoch: fence.record.epoch });
      stop();
      return;
    }
    device.writeHeartbeat(record);
  }
  function bootAgain(): void {
    stop();
    bornMs = hostClock.livedMs();
    record = heartbeatOf({ nodeID, nodeName, ...flags });
    timer = setInterval(beat, BEAT_EVERY_MS);
  }
  function stop(): void {
    if (timer !== null) clearInterval(timer);
    timer = null;
  }
  beat();
  timer = setInterval(beat, BEAT_EVERY_MS);
  context.after(() => {
    stop();
    device.close();
  });
  return { bootID, stop, bootAgain };
}
