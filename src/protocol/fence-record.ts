import { isZero, toSafeNumber } from "./field-reader.ts";
import type { FieldReader } from "./field-reader.ts";
import { FENCE_REASON_NONE } from "./fence-reason.ts";
import type { FieldWriter } from "./field-writer.ts";
import { requireStride } from "./layout.ts";
import { SBD_MSG_TYPE_FENCE } from "./message-type.ts";
import { SBD_FENCE_SIZE, unmarshalFence, writeFence } from "./message.ts";
import type { SBDFenceMessage } from "./message.ts";
import { readExtension, recordHeader, requireSlotLength, writeExtension } from "./record-frame.ts";
import { requireNodeID, requireOwner, requireSender } from "./slot-owner.ts";
import { orUnreadable } from "./unreadable.ts";
import type { Unreadable } from "./unreadable.ts";

/** What a fencer writes into a target's fence slot. Reason 0 (`FENCE_REASON_NONE`) clears it. */
export type FenceRecord = {
  /** The fencer's slot, 1..255, or 0 for one that has none. */
  readonly senderID: number;
  /** Wall clock at the write, Unix nanoseconds; for people, never judged by. */
  readonly timestampNs: bigint;
  readonly sequence: number;
  /** The slot it stands in, 1..255. */
  readonly targetNodeID: number;
  readonly reason: number;
  /** Greater than every earlier one of this slot; kept by clearing. */
  readonly epoch: number;
  /** Fresh for every write attempt, so that no two writes have the same bytes: 32 hex digits. */
  readonly nonce: string;
  /** UID of the SBDRemediation it serves, a lower-case UUID with dashes. */
  readonly requestUID: string;
  /** The one boot it is addressed to, a lower-case UUID with dashes. */
  readonly targetBootID: string;
  /** The machine of that boot, 32 lower-case hex digits. */
  readonly targetMachineID: string;
  /** Who wrote it: a node name, at most 253 bytes of UTF-8. */
  readonly fencerName: string;
  /** M the fencer waits. */
  readonly msgwaitMs: number;
};

/** Everything a fence slot can hold. */
export type FenceSlot =
  | { readonly kind: "empty" }
  | { readonly kind: "fence"; readonly record: FenceRecord }
  | { readonly kind: "cleared"; readonly record: FenceRecord }
  /** A message without our extension, as Go fencers write; `reason` 0 clears. */
  | { readonly kind: "bare-fence"; readonly message: SBDFenceMessage }
  | Unreadable;

const FENCER_NAME_MAX_BYTES = 253;

// An object with every key of the type, so that a new field cannot be forgotten here.
const FIELDS: { readonly [Field in keyof FenceRecord]: true } = {
  senderID: true,
  timestampNs: true,
  sequence: true,
  targetNodeID: true,
  reason: true,
  epoch: true,
  nonce: true,
  requestUID: true,
  targetBootID: true,
  targetMachineID: true,
  fencerName: true,
  msgwaitMs: true,
};

/**
 * Fence message, or with reason 0 the clearing of one, as the `strideBytes` bytes of a slot.
 *
 * @throws ProtocolError `BAD_NODE_ID` for a target outside 1..255 or a sender outside 0..255,
 * `BAD_REASON`, `BAD_FIELD` for any other value that is out of range
 */
export function encodeFenceRecord(record: FenceRecord, strideBytes: number): Uint8Array {
  requireStride(strideBytes);
  requireNodeID(record.targetNodeID);
  requireSender(record.senderID);
  const bytes = new Uint8Array(strideBytes);
  const { senderID, timestampNs, sequence, targetNodeID, reason } = record;
  const header = recordHeader(SBD_MSG_TYPE_FENCE, senderID, timestampNs, sequence);
  writeFence(bytes, { header, targetNodeID, reason });
  writeExtension(bytes, (fields) => writeFields(fields, record));
  return bytes;
}

/**
 * What the fence slot of `nodeID` holds. `bytes` are the whole slot, read in one piece. Never
 * throws, whatever the bytes: what is neither empty nor valid is unreadable, never "no message".
 */
export function decodeFenceSlot(bytes: Uint8Array, nodeID: number): FenceSlot {
  return orUnreadable(() => decode(bytes, nodeID));
}

/** Whether two records are the same write: every field equal. */
export function sameFenceRecord(a: FenceRecord, b: FenceRecord): boolean {
  return (Object.keys(FIELDS) as (keyof FenceRecord)[]).every((field) => a[field] === b[field]);
}

function decode(bytes: Uint8Array, nodeID: number): FenceSlot {
  requireNodeID(nodeID);
  requireSlotLength(bytes);
  if (isZero(bytes, 0, bytes.length)) return { kind: "empty" };
  const message = unmarshalFence(bytes);
  const record = readExtension(bytes, SBD_FENCE_SIZE, (fields) => readFields(fields, message));
  requireOwner(message.targetNodeID, nodeID);
  requireSender(message.header.nodeID);
  if (record === "bare") return { kind: "bare-fence", message };
  return { kind: record.reason === FENCE_REASON_NONE ? "cleared" : "fence", record };
}

function writeFields(fields: FieldWriter, record: FenceRecord): void {
  fields.u64("epoch", record.epoch);
  fields.hex("nonce", record.nonce, 16);
  fields.uuid("requestUID", record.requestUID);
  fields.uuid("targetBootID", record.targetBootID);
  fields.hex("targetMachineID", record.targetMachineID, 16);
  fields.u32("msgwaitMs", record.msgwaitMs);
  fields.text("fencerName", record.fencerName, 1, FENCER_NAME_MAX_BYTES);
}

function readFields(fields: FieldReader, message: SBDFenceMessage): FenceRecord {
  return {
    senderID: message.header.nodeID,
    timestampNs: message.header.timestamp,
    sequence: toSafeNumber("sequence", message.header.sequence),
    targetNodeID: message.targetNodeID,
    reason: message.reason,
    epoch: fields.u64("epoch"),
    nonce: fields.hex("nonce", 16),
    requestUID: fields.uuid("requestUID"),
    targetBootID: fields.uuid("targetBootID"),
    targetMachineID: fields.hex("targetMachineID", 16),
    msgwaitMs: fields.u32("msgwaitMs"),
    fencerName: fields.text("fencerName", 1, FENCER_NAME_MAX_BYTES),
  };
}
