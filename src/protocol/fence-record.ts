import type { ProtocolErrorCode } from "./error.ts";
import type { SBDFenceMessage } from "./message.ts";

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
  | { readonly kind: "unreadable"; readonly code: ProtocolErrorCode; readonly detail: string };
