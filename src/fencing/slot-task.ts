import type { FenceRecord, FenceSlot } from "../protocol/fence-record.ts";
import type { OpenRequestsReading } from "./authority.ts";
import { decideClearing, type ClearingDecision, type ClearingWriter } from "./clearing.ts";

/** What a leader wants of a fence slot. */
export type SlotTaskKind = "Clear" | "Repair";

/** How a task ended; the reason is for people, empty where it was simply done. */
export type SlotTaskEnd = {
  readonly state: "Done" | "Refused" | "Failed";
  readonly reason: string;
};

/**
 * Decides a task by what the slot shows now, read after whatever this writer may have had in flight.
 *
 * @param writer null: it has had no good pass yet
 */
export function decideSlotTask(
  kind: SlotTaskKind,
  seen: FenceSlot | undefined,
  list: OpenRequestsReading,
  writer: ClearingWriter | null,
  nowMs: number,
): ClearingDecision {
  return writer === null
    ? { kind: "wait", detail: "this agent has had no good pass yet" }
    : decideClearing(expectedBy(kind, seen), list, writer, nowMs);
}

/** What has come of writing `record` where the slot still held what was expected. */
export function endOfReplacing(
  kind: SlotTaskKind,
  record: FenceRecord,
  { replaced, readBack }: { readonly replaced: boolean; readonly readBack: FenceSlot },
): SlotTaskEnd {
  if (!replaced) {
    return kind === "Repair"
      ? { state: "Done", reason: "the slot can be read by now" }
      : { state: "Refused", reason: "the slot holds something else by now" };
  }
  return readBack.kind === "cleared" && readBack.record.nonce === record.nonce
    ? { state: "Done", reason: "" }
    : { state: "Failed", reason: "the slot was not read back as it was written" };
}

/**
 * To clear, what this writer has seen there. To repair, what the slot's own agent has reported: what can
 * be read by now, a message above all, it must leave.
 */
function expectedBy(kind: SlotTaskKind, seen: FenceSlot | undefined): FenceSlot {
  return kind === "Repair" ? REPORTED : (seen ?? { kind: "empty" });
}

const REPORTED: FenceSlot = {
  kind: "unreadable",
  code: "BAD_MAGIC",
  detail: "its own agent reports that it cannot be read",
};
