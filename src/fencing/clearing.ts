import type { FenceRecord, FenceSlot } from "../protocol/fence-record.ts";
import { FENCE_REASON_NONE } from "../protocol/message.ts";
import type { Timing } from "../timing/contract.ts";
import type { OpenRequestsReading } from "./authority.ts";

/** What a writer named by the leader may do with a fence slot that nobody needs any more. */
export type ClearingDecision =
  | { readonly kind: "nothing-to-clear" }
  | { readonly kind: "wait"; readonly detail: string }
  /** Read the slot; write `record` only if it still holds `expected`; flush; read back. */
  | { readonly kind: "clear"; readonly expected: FenceSlot; readonly record: FenceRecord };

/** Who clears, whose slot, and what it puts there. */
export type ClearingWriter = {
  readonly name: string;
  readonly nodeID: number;
  readonly targetNodeID: number;
  readonly epochFloor: number;
  readonly nonce: string;
  readonly wallNs: bigint;
  readonly timing: Timing;
};

/**
 * Clears or repairs a fence slot: only on a consistent LIST, begun within T, that shows no open
 * request for the node. The epoch is kept, so that a later message exceeds it; of an unreadable slot
 * nobody knows the epoch, and `epochFloor` stands in.
 */
export function decideClearing(
  slot: FenceSlot,
  list: OpenRequestsReading | null,
  writer: ClearingWriter,
  nowMs: number,
): ClearingDecision {
  if (slot.kind === "empty" || slot.kind === "cleared") {
    return { kind: "nothing-to-clear" };
  }
  if (slot.kind === "bare-fence" && slot.message.reason === FENCE_REASON_NONE) {
    return { kind: "nothing-to-clear" };
  }
  if (list === null || nowMs - list.startedMs > writer.timing.timeoutMs) {
    return { kind: "wait", detail: "no list of open requests that began within T" };
  }
  if (list.openRequestUIDs.length > 0) {
    return {
      kind: "wait",
      detail: `${list.openRequestUIDs.length} request(s) for the node are open`,
    };
  }
  const standing = slot.kind === "fence" ? slot.record : null;
  return {
    kind: "clear",
    expected: slot,
    record: {
      senderID: writer.nodeID,
      timestampNs: writer.wallNs,
      sequence: (standing?.sequence ?? 0) + 1,
      targetNodeID: writer.targetNodeID,
      reason: FENCE_REASON_NONE,
      epoch: Math.max(standing?.epoch ?? 0, writer.epochFloor),
      nonce: writer.nonce,
      requestUID: standing?.requestUID ?? NIL_UUID,
      targetBootID: standing?.targetBootID ?? NIL_UUID,
      targetMachineID: standing?.targetMachineID ?? NIL_MACHINE_ID,
      fencerName: writer.name,
      msgwaitMs: writer.timing.msgwaitMs,
    },
  };
}

const NIL_UUID = "00000000-0000-0000-0000-000000000000";
const NIL_MACHINE_ID = "0".repeat(32);
