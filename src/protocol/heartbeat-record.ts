import { ProtocolError } from "./error.ts";
import { badField, isZero, toSafeNumber } from "./field-reader.ts";
import type { FieldReader } from "./field-reader.ts";
import type { FieldWriter } from "./field-writer.ts";
import { requireStride } from "./layout.ts";
import { SBD_HEADER_SIZE, unmarshal, writeHeader } from "./message-header.ts";
import { SBD_MSG_TYPE_FENCE, SBD_MSG_TYPE_HEARTBEAT } from "./message-type.ts";
import { SBD_FENCE_SIZE, unmarshalFence } from "./message.ts";
import type { SBDFenceMessage, SBDHeartbeatMessage, SBDMessageHeader } from "./message.ts";
import { isValidNodeID } from "./node-id.ts";
import { readExtension, recordHeader, requireSlotLength, writeExtension } from "./record-frame.ts";
import { requireNodeID, requireOwner, requireSender } from "./slot-owner.ts";
import { orUnreadable } from "./unreadable.ts";
import type { Unreadable } from "./unreadable.ts";

/** What an agent writes into its own heartbeat slot, once a pass. */
export type HeartbeatRecord = {
  /** The writer's slot, 1..255. */
  readonly nodeID: number;
  /** Wall clock at the write, Unix nanoseconds; for people, never judged by. */
  readonly timestampNs: bigint;
  /** Strictly greater in each record of one agent start. */
  readonly sequence: number;
  /** The kernel's boot ID, a lower-case UUID with dashes. */
  readonly bootID: string;
  /** DMI product UUID, else /etc/machine-id: 32 lower-case hex digits. */
  readonly machineID: string;
  /** The machine is virtual, or may be: its hypervisor may run it twice. */
  readonly virtual: boolean;
  /**
   * One uninterrupted sequence of writes: 16 lower-case hex digits, new with the process, with its
   * disk worker and after every write that was not seen to succeed.
   */
  readonly startID: string;
  /** Kubernetes node name, at most 253 bytes of UTF-8. */
  readonly nodeName: string;
  /** Time since boot with suspended time, unslewed; sampled before this write was begun. */
  readonly uptimeMs: number;
  /** T this agent lives by. */
  readonly timeoutMs: number;
  /** W this agent lives by; in a `fenced` record the effective timeout that is in force since. */
  readonly watchdogMs: number;
  /** The watchdog is open and would reset the machine within `watchdogMs` of its last pet. */
  readonly armed: boolean;
  /** This agent never fences its node. */
  readonly detectOnly: boolean;
  /** This agent is about to release the watchdog and exit. */
  readonly leaving: boolean;
  /** This boot is latched: it obeys the fence message of `acknowledgedEpoch`. */
  readonly fenced: boolean;
  /** Epoch of the fence message that this boot obeys; 0 = none. */
  readonly acknowledgedEpoch: number;
  /** Highest epoch read in the own fence slot, whichever boot it was addressed to; 0 = none. */
  readonly seenEpoch: number;
  /** Node IDs whose heartbeats this agent has seen move within T, ascending. */
  readonly moving: readonly number[];
  /** How long the last good pass took. */
  readonly passLatencyMs: number;
};

/** Everything a heartbeat slot can hold. */
export type HeartbeatSlot =
  | { readonly kind: "empty" }
  | { readonly kind: "heartbeat"; readonly record: HeartbeatRecord }
  /** A heartbeat without our extension, as Go agents write. */
  | { readonly kind: "bare-heartbeat"; readonly message: SBDHeartbeatMessage }
  /** A fence message in a heartbeat slot, as early Go fencers wrote. */
  | { readonly kind: "bare-fence"; readonly message: SBDFenceMessage }
  | Unreadable;

const FLAG_ARMED = 1;
const FLAG_DETECT_ONLY = 2;
const FLAG_LEAVING = 4;
const FLAG_FENCED = 8;
/** Set where the machine is known not to be virtual; a record without it tells nothing of that. */
const FLAG_PHYSICAL = 16;
const FLAGS_MAX = 31;
const NODE_NAME_MAX_BYTES = 253;
const MOVING_BYTES = 32;

/**
 * Heartbeat as the `strideBytes` bytes of a slot.
 *
 * @throws ProtocolError `BAD_NODE_ID` for a node ID outside 1..255, `BAD_FIELD` for any other value
 * that is out of range: integers are not rounded, text is not shortened
 */
export function encodeHeartbeatRecord(record: HeartbeatRecord, strideBytes: number): Uint8Array {
  requireStride(strideBytes);
  requireNodeID(record.nodeID);
  const bytes = new Uint8Array(strideBytes);
  const { nodeID, timestampNs, sequence } = record;
  writeHeader(bytes, recordHeader(SBD_MSG_TYPE_HEARTBEAT, nodeID, timestampNs, sequence));
  writeExtension(bytes, (fields) => writeFields(fields, record));
  return bytes;
}

/**
 * What the heartbeat slot of `nodeID` holds. `bytes` are the whole slot, read in one piece. Never
 * throws, whatever the bytes.
 */
export function decodeHeartbeatSlot(bytes: Uint8Array, nodeID: number): HeartbeatSlot {
  return orUnreadable(() => decode(bytes, nodeID));
}

function decode(bytes: Uint8Array, nodeID: number): HeartbeatSlot {
  requireNodeID(nodeID);
  requireSlotLength(bytes);
  if (isZero(bytes, 0, bytes.length)) return { kind: "empty" };
  const header = unmarshal(bytes);
  if (header.type === SBD_MSG_TYPE_FENCE) return decodeStrayFence(bytes, nodeID);

  const record = readExtension(bytes, SBD_HEADER_SIZE, (fields) => readFields(fields, header));
  requireOwner(header.nodeID, nodeID);
  if (record === "bare") return { kind: "bare-heartbeat", message: { header } };
  return { kind: "heartbeat", record };
}

function decodeStrayFence(bytes: Uint8Array, nodeID: number): HeartbeatSlot {
  const extension = readExtension(bytes, SBD_FENCE_SIZE, () => {
    // It names one boot, which a bare message would not: whoever obeyed it here could be another.
    throw new ProtocolError(
      "BAD_TYPE",
      "Cannot accept a fence record in a heartbeat slot: it belongs in the fence region",
    );
  });
  if (extension !== "bare") return extension;
  const message = unmarshalFence(bytes);
  requireOwner(message.targetNodeID, nodeID);
  requireSender(message.header.nodeID);
  return { kind: "bare-fence", message };
}

function writeFields(fields: FieldWriter, record: HeartbeatRecord): void {
  fields.uuid("bootID", record.bootID);
  fields.hex("machineID", record.machineID, 16);
  fields.hex("startID", record.startID, 8);
  fields.u64("uptimeMs", record.uptimeMs);
  fields.u32("timeoutMs", record.timeoutMs);
  fields.u32("watchdogMs", record.watchdogMs);
  fields.u32("passLatencyMs", record.passLatencyMs);
  fields.u32("flags", flagsOf(record));
  fields.u64("acknowledgedEpoch", record.acknowledgedEpoch);
  fields.u64("seenEpoch", record.seenEpoch);
  requireAscendingIDs(record.moving);
  fields.bits(record.moving, MOVING_BYTES);
  fields.text("nodeName", record.nodeName, 1, NODE_NAME_MAX_BYTES);
}

function readFields(fields: FieldReader, header: SBDMessageHeader): HeartbeatRecord {
  const bootID = fields.uuid("bootID");
  const machineID = fields.hex("machineID", 16);
  const startID = fields.hex("startID", 8);
  const uptimeMs = fields.u64("uptimeMs");
  const timeoutMs = fields.u32("timeoutMs");
  const watchdogMs = fields.u32("watchdogMs");
  const passLatencyMs = fields.u32("passLatencyMs");
  const flags = fields.u32("flags");
  if (flags > FLAGS_MAX) throw badField("flags", `has bits that this program does not know`);
  const acknowledgedEpoch = fields.u64("acknowledgedEpoch");
  const seenEpoch = fields.u64("seenEpoch");
  const moving = fields.bits("moving", MOVING_BYTES);
  if (moving[0] === 0) throw badField("moving", "lists node ID 0, which no node has");
  const nodeName = fields.text("nodeName", 1, NODE_NAME_MAX_BYTES);
  return {
    nodeID: header.nodeID,
    timestampNs: header.timestamp,
    sequence: toSafeNumber("sequence", header.sequence),
    bootID,
    machineID,
    virtual: (flags & FLAG_PHYSICAL) === 0,
    startID,
    nodeName,
    uptimeMs,
    timeoutMs,
    watchdogMs,
    armed: (flags & FLAG_ARMED) !== 0,
    detectOnly: (flags & FLAG_DETECT_ONLY) !== 0,
    leaving: (flags & FLAG_LEAVING) !== 0,
    fenced: (flags & FLAG_FENCED) !== 0,
    acknowledgedEpoch,
    seenEpoch,
    moving,
    passLatencyMs,
  };
}

function flagsOf(record: HeartbeatRecord): number {
  return (
    (record.armed ? FLAG_ARMED : 0) |
    (record.detectOnly ? FLAG_DETECT_ONLY : 0) |
    (record.leaving ? FLAG_LEAVING : 0) |
    (record.fenced ? FLAG_FENCED : 0) |
    (record.virtual ? 0 : FLAG_PHYSICAL)
  );
}

/** The bitmap would take them in any order; a record that was read back must equal the one written. */
function requireAscendingIDs(moving: readonly number[]): void {
  let previous = 0;
  for (const nodeID of moving) {
    if (!isValidNodeID(nodeID) || nodeID <= previous) {
      throw new ProtocolError(
        "BAD_FIELD",
        `Cannot write the record as 'moving' must be node IDs of 1..255, each greater than the one before: ${nodeID} follows ${previous}`,
      );
    }
    previous = nodeID;
  }
}
