import type { HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import { sameBeat } from "../observation/boot-sighting.ts";
import { seconds } from "../timing/contract.ts";
import type { AgentState, ForeignBeat, OwnSlotState, Trouble } from "./agent-state.ts";

/** What the own heartbeat slot allows. */
export type OwnSlotVerdict = {
  readonly next: OwnSlotState;
  readonly action: "write" | "watch" | "conflict";
  /** Null where the slot holds what it should. */
  readonly trouble: Trouble | null;
};

/**
 * Judges the own heartbeat slot before it is written. One slot never has two live owners: another
 * machine's record must stand still for M before the first write, and one that moves under our
 * writes means that somebody else owns the slot too. On a virtual machine another boot's record may be
 * another machine's: a clone's, or that of the same one, started a second time while it runs on.
 */
export function judgeOwnSlot(
  state: AgentState,
  slot: HeartbeatSlot,
  nowMs: number,
  msgwaitMs: number,
): OwnSlotVerdict {
  const foreign = foreignBeat(state, slot);
  switch (state.ownSlot.kind) {
    case "unclaimed": {
      const perhaps = foreign ?? (mayHideAnother(state, slot) ? UNREADABLE : null);
      return perhaps === null ? CLAIM : watch(perhaps, nowMs, msgwaitMs);
    }
    case "watching": {
      const { foreign: known, sinceMs } = state.ownSlot;
      if (foreign !== null && !sameForeignBeat(known, foreign)) {
        return isMovement(known, foreign)
          ? conflict(state, foreign)
          : watch(foreign, nowMs, msgwaitMs);
      }
      const isOwn = foreign === null && slot.kind === "heartbeat";
      return isOwn || nowMs - sinceMs >= msgwaitMs
        ? CLAIM
        : { ...watch(known, nowMs, msgwaitMs), next: state.ownSlot };
    }
    case "claimed": {
      if (foreign !== null && state.ownSlot.foreign !== null) {
        if (isMovement(state.ownSlot.foreign, foreign)) {
          return conflict(state, foreign);
        }
      }
      return {
        next: { kind: "claimed", foreign: foreign ?? state.ownSlot.foreign },
        action: "write",
        trouble: holdsLastWritten(state, slot) ? null : lostHeartbeat(slot),
      };
    }
  }
}

const CLAIM: OwnSlotVerdict = {
  next: { kind: "claimed", foreign: null },
  action: "write",
  trouble: null,
};

/** What stands for an owner that a read did not show. */
const UNREADABLE: ForeignBeat = { who: "somebody, unreadable", start: "unreadable", sequence: 0n };

/**
 * A torn read may hide a living owner. An agent that died in a write leaves the same behind, and the
 * next one of that boot has no time to look: its watchdog is ticking.
 */
function mayHideAnother(state: AgentState, slot: HeartbeatSlot): boolean {
  return (
    (slot.kind === "unreadable" || slot.kind === "bare-fence") &&
    !state.config.memory.unconfirmedWrite
  );
}

/** The slot holds the last heartbeat that was seen to be written, where there is one. */
export function holdsLastWritten(state: AgentState, slot: HeartbeatSlot): boolean {
  return (
    state.lastWritten === null ||
    (slot.kind === "heartbeat" && sameBeat(slot.record, state.lastWritten))
  );
}

/**
 * Another machine's, node's or a Go agent's heartbeat, and on a virtual machine another boot's; null for
 * our own machine's and for none.
 */
function foreignBeat(state: AgentState, slot: HeartbeatSlot): ForeignBeat | null {
  const { machineID, nodeName, nodeID, bootID, virtual } = state.config;
  switch (slot.kind) {
    case "heartbeat": {
      const { record } = slot;
      const isOwn =
        record.machineID === machineID &&
        record.nodeName === nodeName &&
        (record.bootID === bootID || !virtual);
      return isOwn
        ? null
        : {
            who: `${record.nodeName} (machine ${record.machineID}, boot ${record.bootID})`,
            start: record.startID,
            sequence: BigInt(record.sequence),
          };
    }
    case "bare-heartbeat":
      return {
        who: `a Go agent with node ID ${nodeID}`,
        start: "bare",
        sequence: slot.message.header.sequence,
      };
    case "empty":
    case "bare-fence":
    case "unreadable":
      return null;
  }
}

function isMovement(known: ForeignBeat, now: ForeignBeat): boolean {
  return known.start === now.start && now.sequence > known.sequence;
}

function sameForeignBeat(a: ForeignBeat, b: ForeignBeat): boolean {
  return a.start === b.start && a.sequence === b.sequence;
}

function watch(foreign: ForeignBeat, nowMs: number, msgwaitMs: number): OwnSlotVerdict {
  return {
    next: { kind: "watching", foreign, sinceMs: nowMs },
    action: "watch",
    trouble: {
      detail:
        `the own slot holds a heartbeat of ${foreign.who}; this node stays unarmed until it has ` +
        `stood still for ${seconds(msgwaitMs)}`,
      vouchable: false,
    },
  };
}

function conflict(state: AgentState, foreign: ForeignBeat): OwnSlotVerdict {
  const detail =
    `slot ${state.config.nodeID} has two live owners: this node and ${foreign.who}. This agent ` +
    `writes no more and lets its deadline pass; give each node a slot of its own`;
  return {
    next: state.ownSlot,
    action: "conflict",
    trouble: { detail, vouchable: false },
  };
}

/** Says nothing that changes with each pass, so that it is logged once. */
function lostHeartbeat(slot: HeartbeatSlot): Trouble {
  const holds =
    slot.kind === "heartbeat"
      ? `heartbeat ${slot.record.sequence} of start ${slot.record.startID}`
      : slot.kind;
  return {
    detail:
      `the own slot does not hold the heartbeat that was written last: it holds ${holds}. The storage has ` +
      `lost a write, or somebody else writes there`,
    vouchable: false,
  };
}
