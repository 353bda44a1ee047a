import { encodeFenceRecord, type FenceRecord } from "../../protocol/fence-record.ts";
import { encodeHeartbeatRecord, type HeartbeatRecord } from "../../protocol/heartbeat-record.ts";
import {
  calculateChecksum,
  marshalFence,
  marshalHeartbeat,
  newFence,
  newHeartbeat,
} from "../../protocol/message.ts";
import { STRIDE_BYTES } from "./fake-device.ts";
import { bootIDOf, machineIDOf, NODE_ID, NODE_NAME } from "./host.ts";
import { armedHeartbeat } from "../../protocol/testing/heartbeat-record.ts";

const FENCER_ID = 2;
const REASON_MANUAL = 2;
const TYPE_OFFSET = 10;
const CHECKSUM_OFFSET = 29;
const UNKNOWN_TYPE = 4;
const WALL_NS = 1_700_000_000_000_000_000n;

/** A fencer's message to this node's slot. */
export function fenceBytes(message: {
  readonly boot: string;
  readonly epoch: number;
  readonly reason: number;
}): Uint8Array {
  const record: FenceRecord = {
    senderID: FENCER_ID,
    timestampNs: WALL_NS,
    sequence: message.epoch,
    targetNodeID: NODE_ID,
    reason: message.reason,
    epoch: message.epoch,
    nonce: message.epoch.toString(16).padStart(32, "0"),
    requestUID: "99999999-9999-4999-8999-999999999999",
    targetBootID: bootIDOf(message.boot),
    targetMachineID: machineIDOf("m1"),
    fencerName: "worker-2",
    msgwaitMs: 16_000,
  };
  return encodeFenceRecord(record, STRIDE_BYTES);
}

/** What a Go fencer writes: 36 bytes that name no boot. */
export function bareFenceBytes(sequence: number): Uint8Array {
  const header = newFence(FENCER_ID, NODE_ID, sequence, REASON_MANUAL, () => WALL_NS);
  return marshalFence({ header, targetNodeID: NODE_ID, reason: REASON_MANUAL });
}

/** A whole and valid message of a type that nobody knows, such as an order to exit. */
export function unknownTypeBytes(): Uint8Array {
  const bytes = bareFenceBytes(1);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint8(TYPE_OFFSET, UNKNOWN_TYPE);
  view.setUint32(CHECKSUM_OFFSET, calculateChecksum(bytes.subarray(0, CHECKSUM_OFFSET)), true);
  return bytes;
}

/** A whole slot that holds a Go agent's heartbeat. */
export function bareHeartbeatBytes(sequence: number): Uint8Array {
  const slot = new Uint8Array(STRIDE_BYTES);
  slot.set(marshalHeartbeat({ header: newHeartbeat(NODE_ID, sequence, () => WALL_NS) }));
  return slot;
}

/** A whole slot that holds a bare fence message, where early Go fencers put it. */
export function strayFenceBytes(sequence: number): Uint8Array {
  const slot = new Uint8Array(STRIDE_BYTES);
  slot.set(bareFenceBytes(sequence));
  return slot;
}

/** An armed heartbeat in this node's slot, by whomever. */
export function heartbeatBytes(beat: {
  readonly machine: string;
  readonly node: string;
  readonly boot: string;
  readonly start: number;
  readonly sequence: number;
}): Uint8Array {
  const record = armedHeartbeat({
    nodeID: NODE_ID,
    timestampNs: WALL_NS,
    sequence: beat.sequence,
    bootID: bootIDOf(beat.boot),
    machineID: machineIDOf(beat.machine),
    startID: beat.start.toString(16).padStart(12, "0") + "0000",
    nodeName: beat.node === "" ? NODE_NAME : beat.node,
    uptimeMs: 1_000,
    timeoutMs: 6_000,
    watchdogMs: 4_000,
    passLatencyMs: 0,
  });
  return encodeHeartbeatRecord(record, STRIDE_BYTES);
}

export function describeBeat(record: HeartbeatRecord): string {
  return [
    `heartbeat of start ${Number.parseInt(record.startID.slice(0, 12), 16)}.` +
      Number.parseInt(record.startID.slice(12), 16),
    record.armed ? "armed" : "unarmed",
    ...(record.detectOnly ? ["detect-only"] : []),
    ...(record.leaving ? ["leaving"] : []),
    ...(record.fenced ? [`fenced by epoch ${record.acknowledgedEpoch}`] : []),
    ...(record.seenEpoch > 0 ? [`has seen epoch ${record.seenEpoch}`] : []),
  ].join(", ");
}
