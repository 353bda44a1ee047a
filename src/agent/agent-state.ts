import { NO_SIGHTINGS, type Sightings } from "../observation/sightings.ts";
import type { DeviceHeader } from "../protocol/device-header.ts";
import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";
import type { Timing } from "../timing/contract.ts";
import type { AgentConfig } from "./agent-config.ts";
import type { BareMessageKey, LatchMark } from "./effect.ts";
import type { UnreadableFenceSlot } from "./own-fence-slot.ts";

/** Everything an agent knows. Instants are on this host's unslewed clock, in ms. */
export type AgentState = {
  readonly config: AgentConfig;
  readonly life: Life;
  readonly watchdog: WatchdogState;
  /** Why the watchdog was refused last, as the log has it. */
  readonly refusalTold: string;
  /** The device this process lives by; null before its first readable header. */
  readonly device: { readonly header: DeviceHeader; readonly timing: Timing } | null;
  readonly pass: PassState;
  readonly passes: number;
  readonly lastPassStartedMs: number;
  /** When a pass was last asked for out of turn. */
  readonly lookWantedMs: number;
  readonly lastPass: PassOutcome | null;
  readonly lastGood: { readonly startedMs: number; readonly latencyMs: number } | null;
  /** Start of the first pass since which every finished pass was good. */
  readonly goodSinceMs: number | null;
  /** Good passes for T: no unclean start any more. */
  readonly proven: boolean;
  /** Start of the last vouching API read; null before one. */
  readonly vouchedMs: number | null;
  /** Questions to the API that an answer may still be used to, oldest first. */
  readonly vouchQuestions: readonly VouchQuestion[];
  /** How many were asked so far in this process, which is the ID of the last, and when that was. */
  readonly vouchesAsked: number;
  readonly vouchAskedMs: number;
  /** What the petter was last told; null before it runs. */
  readonly deadlineMs: number | null;
  /** Agent starts so far in this process, modulo 65536, and the sequence, which goes on through all. */
  readonly starts: number;
  readonly sequence: number;
  /** The last heartbeat seen to be written, or null after one that was not. */
  readonly lastWritten: HeartbeatRecord | null;
  /** The API has it that this boot runs unarmed. */
  readonly knownUnarmed: boolean;
  /** A write of this boot may still land late. */
  readonly unconfirmedWrite: boolean;
  readonly lastUptimeMs: number;
  readonly lastWallNs: bigint;
  readonly ownSlot: OwnSlotState;
  readonly firstRead: FirstRead;
  /** A bare message seen at the last pass and not yet at two. */
  readonly bareSeen: BareMessageKey | null;
  /** Null where the own fence slot can be read, or was not read yet. */
  readonly fenceUnreadable: UnreadableFenceSlot | null;
  readonly seenEpoch: number;
  /** The last message that detectOnly kept this agent from obeying. */
  readonly ignored: LatchMark | null;
  readonly sightings: Sightings;
};

export type Life =
  | { readonly kind: "serving" }
  /** Asked to go: `leaving` is to be written, then read back with an empty fence slot after it. */
  | {
      readonly kind: "leaving";
      readonly stage: "write" | "verify";
      readonly sinceMs: number;
      /** The API holds it too: a patch of the own SBDNode said so, and no request is open. */
      readonly known: boolean;
    }
  /** Condemned: nothing leads out of this but the end of the boot. */
  | {
      readonly kind: "latched";
      readonly stage: "marking" | "acknowledging" | "rebooting";
      readonly sinceMs: number;
      readonly mark: LatchMark;
    }
  | {
      readonly kind: "latched";
      readonly stage: "shortening";
      /** The timeout that the driver was asked for last. */
      readonly askedSeconds: number;
      readonly sinceMs: number;
      readonly mark: LatchMark;
    }
  /** Somebody else beats in our slot: write nothing, push nothing. */
  | { readonly kind: "conflict"; readonly detail: string }
  | { readonly kind: "exited"; readonly code: number };

export type WatchdogState =
  | { readonly kind: "closed" }
  | { readonly kind: "opening"; readonly canArm: boolean; readonly factor: number }
  | {
      readonly kind: "open";
      readonly armed: boolean;
      /** Longest time to the reset for one second of timeout. */
      readonly factor: number;
      readonly effectiveMs: number | null;
    }
  /** `lookAgainMs`: when the agent looks at it again; null where it was open, which a process does once. */
  | { readonly kind: "refused"; readonly message: string; readonly lookAgainMs: number | null }
  | { readonly kind: "released" };

export type PassState =
  | { readonly kind: "idle" }
  | { readonly kind: "reading"; readonly pass: number; readonly startedMs: number }
  | {
      readonly kind: "writing";
      readonly pass: number;
      readonly startedMs: number;
      readonly record: HeartbeatRecord;
      /** What already spoils this pass; null = it is good once the heartbeat is written. */
      readonly trouble: Trouble | null;
    };

export type PassOutcome = { readonly startedMs: number; readonly trouble: Trouble | null };

/** Why a pass is not good. */
/** One question to the API whether it vouches for this boot. */
export type VouchQuestion = {
  readonly id: number;
  /** When it was asked: an answer counts from here. */
  readonly startedMs: number;
  /** What the own SBDNode is patched to say. */
  readonly leaving: boolean;
  readonly armed: boolean;
};

export type Trouble = {
  readonly detail: string;
  /** Only the own fence slot or the header could not be read: the API may vouch in both modes. */
  readonly vouchable: boolean;
};

export type OwnSlotState =
  /** Nothing written yet. */
  | { readonly kind: "unclaimed" }
  /** A record stands there that may be another machine's: it must stand still for M before we write. */
  | { readonly kind: "watching"; readonly foreign: ForeignBeat; readonly sinceMs: number }
  | { readonly kind: "claimed"; readonly foreign: ForeignBeat | null };

export type ForeignBeat = {
  readonly who: string;
  readonly start: string;
  readonly sequence: bigint;
};

export type FirstRead =
  | { readonly kind: "unread" }
  | { readonly kind: "keeping"; readonly messages: readonly BareMessageKey[] }
  | { readonly kind: "kept"; readonly messages: readonly BareMessageKey[] };

export function initialAgentState(config: AgentConfig): AgentState {
  const { mark, firstRead } = config.memory;
  return {
    config,
    life:
      mark === null
        ? { kind: "serving" }
        : { kind: "latched", stage: "rebooting", sinceMs: -Infinity, mark },
    watchdog: { kind: "closed" },
    refusalTold: "",
    device: null,
    pass: { kind: "idle" },
    passes: 0,
    lastPassStartedMs: -Infinity,
    lookWantedMs: -Infinity,
    lastPass: null,
    lastGood: null,
    goodSinceMs: null,
    proven: false,
    vouchedMs: null,
    vouchQuestions: [],
    vouchesAsked: 0,
    vouchAskedMs: -Infinity,
    deadlineMs: null,
    starts: 0,
    sequence: 0,
    lastWritten: null,
    knownUnarmed: false,
    unconfirmedWrite: config.memory.unconfirmedWrite,
    lastUptimeMs: 0,
    lastWallNs: 0n,
    ownSlot: { kind: "unclaimed" },
    firstRead: firstRead === null ? { kind: "unread" } : { kind: "kept", messages: firstRead },
    bareSeen: null,
    fenceUnreadable: null,
    seenEpoch: 0,
    ignored: null,
    sightings: NO_SIGHTINGS,
  };
}

/** The watchdog backs the contract: what `armed` in a heartbeat says. */
export function isArmed(state: AgentState): boolean {
  return state.watchdog.kind === "open" && state.watchdog.armed;
}
