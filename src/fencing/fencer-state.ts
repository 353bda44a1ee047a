import { NO_SIGHTINGS, type Sightings } from "../observation/sightings.ts";
import type { FenceRecord } from "../protocol/fence-record.ts";
import type { TimingContract } from "../timing/contract.ts";
import type { ManualConfirmation } from "./authority.ts";
import type { Evidence, Missing } from "./evidence.ts";
import type { ProofGrounds } from "./proof-record.ts";
import type { FenceTarget, NodeKnowledge, StandingMessage } from "./fence-case.ts";

/** What a fencer is told once, for one target. */
export type FencerConfig = {
  /** Its name in messages: the node it runs on, or the program. */
  readonly name: string;
  /** Its own slot, 0 for none. */
  readonly nodeID: number;
  readonly target: FenceTarget;
  /** What the device header says; the target's own last heartbeat may say more. */
  readonly contract: TimingContract;
  /** Null: nobody answers for the cluster, so every request is granted and no time proves death. */
  readonly cluster: { readonly pausableNodes: "Accept" | "Refuse" } | null;
};

/** One fencer's work on one target. Instants are on its own unslewed clock, in ms. */
export type FencerState = {
  readonly config: FencerConfig;
  readonly sightings: Sightings;
  readonly requests: readonly OpenRequest[];
  readonly message: MessageState;
  /** The highest `status.fencing.epoch` read. */
  readonly recordedEpoch: number;
  /** The highest epoch this fencer has used and does not wait by any more. */
  readonly supersededEpoch: number;
  readonly node: NodeKnowledge | null;
  readonly askedNodeMs: number | null;
  /** Since when the target's slot has told without a break that waiting will not prove it dead. */
  readonly unfencableSinceMs: number | null;
  readonly sequence: number;
};

export type OpenRequest = {
  readonly uid: string;
  readonly reason: number;
  /** When its finalizer was known to be durable. */
  readonly finalizerMs: number;
  readonly acceptedMs: number;
  /** Start of the last consistent GET that granted it; null = not granted. */
  readonly grantedMs: number | null;
  readonly refusal: string;
  /** When the last question about it left; null = none is under way. */
  readonly askedMs: number | null;
  /** Start of the newest GET that was answered; an older answer that comes after it is old news. */
  readonly answeredMs: number | null;
  /** As the newest answer has it: one that is taken back counts no more. */
  readonly confirmation: ManualConfirmation | null;
  /** End of the first of the unbroken answers with that word. */
  readonly confirmedMs: number | null;
  /** The boot that it is about, as the newest answer has it; empty where it names none. */
  readonly nodeBootID: string;
  /** Epochs of the messages that speak for it: written after its finalizer, or in its name. */
  readonly epochs: readonly number[];
  readonly missing: readonly Missing[];
  readonly proof: Evidence | null;
  /** What the proof rests on; null where there is none. */
  readonly grounds: ProofGrounds | null;
  /** When the proof was last handed to the authority. */
  readonly declaredMs: number | null;
  /** The authority has recorded the proof. */
  readonly concluded: boolean;
};

export type MessageState =
  | { readonly kind: "none" }
  | {
      readonly kind: "writing";
      readonly record: FenceRecord;
      /** Attempts with this epoch so far, this one included. */
      readonly attempt: number;
      readonly firstSubmittedMs: number;
    }
  /** The last attempt failed; another follows. */
  | {
      readonly kind: "retrying";
      readonly record: FenceRecord;
      readonly attempt: number;
      readonly firstSubmittedMs: number;
      readonly failedMs: number;
      readonly error: string;
    }
  | ({ readonly kind: "standing" } & StandingMessage)
  /** Every attempt failed. What was written may still land, so the slot is watched on. */
  | {
      readonly kind: "unwritable";
      readonly record: FenceRecord;
      readonly firstSubmittedMs: number;
      readonly error: string;
    };

export function initialFencerState(config: FencerConfig): FencerState {
  return {
    config,
    sightings: NO_SIGHTINGS,
    requests: [],
    message: { kind: "none" },
    recordedEpoch: 0,
    supersededEpoch: 0,
    node: null,
    askedNodeMs: null,
    unfencableSinceMs: null,
    sequence: 0,
  };
}
