import type { FenceRecord } from "../protocol/fence-record.ts";
import type { Evidence } from "./evidence.ts";
import type { FencerState } from "./fencer-state.ts";
import type { ProofGrounds } from "./proof-record.ts";

/** What a fencer asks of its shell. */
export type FencerEffect =
  /** Write, flush, read back. Answer: `fence-written` or `fence-write-failed`. */
  | { readonly type: "write-fence"; readonly record: FenceRecord }
  /** Consistent GET. Answer: `request-read`, or nothing. */
  | { readonly type: "ask-request"; readonly uid: string }
  /** Consistent GETs. Answer: `node-read`, or nothing. */
  | { readonly type: "ask-node" }
  /** Record the proof, on the resourceVersion of the GET that granted it. Answer: `declared`. */
  | {
      readonly type: "declare";
      readonly uid: string;
      readonly evidence: Evidence;
      readonly grounds: ProofGrounds;
    };

export type FencerStep = {
  readonly state: FencerState;
  readonly effects: readonly FencerEffect[];
};

/** Chance and the wall clock, which a core has not. */
export type FencerMoment = {
  readonly nowMs: number;
  readonly wallNs: bigint;
  /** Fresh with every step: 32 random hex digits. */
  readonly nonce: string;
};
