import type { DeviceHeader } from "../protocol/device-header.ts";
import { getFenceReasonName } from "../protocol/fence-reason.ts";
import type { FenceSlot } from "../protocol/fence-record.ts";
import type { HeartbeatRecord, HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import type { SBDFenceMessage } from "../protocol/message.ts";
import type { Timing } from "../timing/contract.ts";
import { msgwaitArithmetic } from "../timing/contract.ts";
import type { DeviceSurvey } from "./device-survey.ts";

/** A device header in JSON: times in ms, 64-bit times as strings. */
export type HeaderDocument = {
  readonly formatVersion: number;
  readonly deviceUuid: string;
  readonly generation: number;
  readonly strideBytes: number;
  readonly configUid: string;
  readonly clusterUid: string;
  readonly clusterName: string;
  readonly timeoutMs: number;
  readonly watchdogMs: number;
  readonly onStorageLoss: string;
  readonly createdNs: string;
};

export function headerDocument(header: DeviceHeader): HeaderDocument {
  const { deviceUUID, configUID, clusterUID, createdNs, ...same } = header;
  return {
    ...same,
    deviceUuid: deviceUUID,
    configUid: configUID,
    clusterUid: clusterUID,
    createdNs: String(createdNs),
  };
}

/** Every bound in ms, and how M comes about. */
export function timingDocument(timing: Timing): Readonly<Record<string, number | string>> {
  return { ...timing, arithmetic: msgwaitArithmetic(timing) };
}

export type SlotState = "armed" | "unarmed" | "detect-only" | "leaving" | "fenced" | "bare";

/** One heartbeat; of a Go agent's everything but the first four and `state` is null. */
export type SlotDocument = {
  readonly nodeId: number;
  /** A decimal string beyond 2^53. */
  readonly sequence: number | string;
  readonly timestampNs: string;
  readonly state: SlotState;
  readonly nodeName: string | null;
  readonly bootId: string | null;
  readonly machineId: string | null;
  readonly startId: string | null;
  readonly uptimeMs: number | null;
  readonly timeoutMs: number | null;
  readonly watchdogMs: number | null;
  readonly seenEpoch: number | null;
  readonly acknowledgedEpoch: number | null;
  readonly moving: readonly number[] | null;
  readonly passLatencyMs: number | null;
  /** Only with `--watch`. */
  readonly moved?: boolean;
};

/** One fence message; a Go fencer's has null where its format has no field. */
export type FenceDocument = {
  readonly nodeId: number;
  readonly reason: string;
  readonly senderId: number;
  readonly epoch: number | null;
  readonly state: "standing" | "cleared";
  readonly sequence: number | string;
  readonly timestampNs: string;
  readonly fencerName: string | null;
  readonly requestUid: string | null;
  readonly targetBootId: string | null;
  readonly targetMachineId: string | null;
  readonly msgwaitMs: number | null;
  /** Early Go fencers wrote into the heartbeat slot. */
  readonly region: "fence" | "heartbeat";
};

export type UnreadableDocument = {
  readonly region: "header" | "heartbeat" | "fence";
  readonly nodeId: number;
  readonly error: string;
};

export type DeviceDocument = {
  readonly header: HeaderDocument | null;
  readonly slots: readonly SlotDocument[];
  readonly fences: readonly FenceDocument[];
  readonly unreadable: readonly UnreadableDocument[];
};

/** `moved`: node IDs whose slot changed between two looks; null where there was one look only. */
export function deviceDocument(
  survey: DeviceSurvey,
  moved: readonly number[] | null,
): DeviceDocument {
  const slots: SlotDocument[] = [];
  const fences: FenceDocument[] = [];
  const unreadable: UnreadableDocument[] = [];
  if (survey.header.kind === "unreadable") {
    unreadable.push({ region: "header", nodeId: 0, error: survey.header.detail });
  }
  for (const [nodeId, slot] of survey.heartbeats) {
    if (slot.kind === "unreadable") {
      unreadable.push({ region: "heartbeat", nodeId, error: slot.detail });
    } else if (slot.kind === "bare-fence") {
      fences.push(bareFence(nodeId, slot.message, "heartbeat"));
    } else if (slot.kind !== "empty") {
      const watched = moved === null ? {} : { moved: moved.includes(nodeId) };
      slots.push({ ...slotDocument(nodeId, slot), ...watched });
    }
  }
  for (const [nodeId, slot] of survey.fences) {
    if (slot.kind === "unreadable") {
      unreadable.push({ region: "fence", nodeId, error: slot.detail });
    } else if (slot.kind !== "empty") {
      fences.push(fenceDocument(nodeId, slot));
    }
  }
  return {
    header: survey.header.kind === "header" ? headerDocument(survey.header.header) : null,
    slots,
    fences,
    unreadable,
  };
}

/** What a record says of its agent; the strongest word where several are true. */
export function stateOf(record: HeartbeatRecord): SlotState {
  if (record.fenced) return "fenced";
  if (record.leaving) return "leaving";
  if (record.detectOnly) return "detect-only";
  return record.armed ? "armed" : "unarmed";
}

function slotDocument(
  nodeId: number,
  slot: HeartbeatSlot & { readonly kind: "heartbeat" | "bare-heartbeat" },
): SlotDocument {
  if (slot.kind === "bare-heartbeat") {
    const { sequence, timestamp } = slot.message.header;
    return {
      nodeId,
      nodeName: null,
      bootId: null,
      sequence: jsonNumber(sequence),
      timestampNs: String(timestamp),
      state: "bare",
      machineId: null,
      startId: null,
      uptimeMs: null,
      timeoutMs: null,
      watchdogMs: null,
      seenEpoch: null,
      acknowledgedEpoch: null,
      moving: null,
      passLatencyMs: null,
    };
  }
  const { record } = slot;
  return {
    nodeId,
    nodeName: record.nodeName,
    bootId: record.bootID,
    sequence: record.sequence,
    timestampNs: String(record.timestampNs),
    state: stateOf(record),
    machineId: record.machineID,
    startId: record.startID,
    uptimeMs: record.uptimeMs,
    timeoutMs: record.timeoutMs,
    watchdogMs: record.watchdogMs,
    seenEpoch: record.seenEpoch,
    acknowledgedEpoch: record.acknowledgedEpoch,
    moving: record.moving,
    passLatencyMs: record.passLatencyMs,
  };
}

function fenceDocument(
  nodeId: number,
  slot: FenceSlot & { readonly kind: "fence" | "cleared" | "bare-fence" },
): FenceDocument {
  if (slot.kind === "bare-fence") {
    return bareFence(nodeId, slot.message, "fence");
  }
  const { record } = slot;
  return {
    nodeId,
    reason: getFenceReasonName(record.reason),
    senderId: record.senderID,
    epoch: record.epoch,
    state: slot.kind === "fence" ? "standing" : "cleared",
    sequence: record.sequence,
    timestampNs: String(record.timestampNs),
    fencerName: record.fencerName,
    requestUid: record.requestUID,
    targetBootId: record.targetBootID,
    targetMachineId: record.targetMachineID,
    msgwaitMs: record.msgwaitMs,
    region: "fence",
  };
}

function bareFence(
  nodeId: number,
  { header, reason }: SBDFenceMessage,
  region: "fence" | "heartbeat",
): FenceDocument {
  return {
    nodeId,
    reason: getFenceReasonName(reason),
    senderId: header.nodeID,
    epoch: null,
    state: reason === 0 ? "cleared" : "standing",
    sequence: jsonNumber(header.sequence),
    timestampNs: String(header.timestamp),
    fencerName: null,
    requestUid: null,
    targetBootId: null,
    targetMachineId: null,
    msgwaitMs: null,
    region,
  };
}

function jsonNumber(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}
