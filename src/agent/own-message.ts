import { FENCE_REASON_NONE } from "../protocol/message.ts";
import type { FenceSlot } from "../protocol/fence-record.ts";
import type { HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import type { AgentState, Trouble } from "./agent-state.ts";
import { bareMessageKey, type BareMessageKey, type LatchMark } from "./effect.ts";

/** What the own slots order. */
export type MessageVerdict =
  | { readonly kind: "none"; readonly seenEpoch: number }
  /** Nobody can tell yet, so the pass does not count. */
  | {
      readonly kind: "unclear";
      readonly trouble: Trouble;
      readonly bareSeen: BareMessageKey | null;
    }
  | { readonly kind: "obey"; readonly mark: LatchMark };

/**
 * Looks for a fence message to this boot. A message is addressed to one boot; one that names another
 * is noted and left to the fencer, which knows what this agent cannot: whether it is still wanted. A
 * message that names no boot, as Go fencers write, is obeyed if it came in this boot.
 */
export function judgeMessage(
  state: AgentState,
  fence: FenceSlot,
  heartbeat: HeartbeatSlot,
): MessageVerdict {
  const known = state.firstRead.kind === "unread" ? null : state.firstRead.messages;
  if (heartbeat.kind === "bare-fence" && known !== null) {
    const { message } = heartbeat;
    // Our own next heartbeat would overwrite it, so there is no second look.
    if (message.reason !== FENCE_REASON_NONE && !known.includes(bareMessageKey(message))) {
      return { kind: "obey", mark: bareMark(state, message.header.nodeID, message.reason) };
    }
  }
  switch (fence.kind) {
    case "empty":
      return { kind: "none", seenEpoch: state.seenEpoch };
    case "cleared":
      return { kind: "none", seenEpoch: Math.max(state.seenEpoch, fence.record.epoch) };
    case "fence": {
      const { record } = fence;
      if (record.targetBootID !== state.config.bootID) {
        return { kind: "none", seenEpoch: Math.max(state.seenEpoch, record.epoch) };
      }
      const { epoch, reason, fencerName } = record;
      return {
        kind: "obey",
        mark: { bootID: state.config.bootID, epoch, reason, fencer: fencerName },
      };
    }
    case "bare-fence": {
      const { message } = fence;
      const key = bareMessageKey(message);
      if (message.reason === FENCE_REASON_NONE || known === null || known.includes(key)) {
        return { kind: "none", seenEpoch: state.seenEpoch };
      }
      return state.bareSeen === key
        ? { kind: "obey", mark: bareMark(state, message.header.nodeID, message.reason) }
        : {
            kind: "unclear",
            bareSeen: key,
            trouble: {
              detail: "the own fence slot holds a message that names no boot, seen once so far",
              vouchable: false,
            },
          };
    }
    case "unreadable":
      return {
        kind: "unclear",
        bareSeen: null,
        trouble: {
          detail:
            `the own fence slot is unreadable, which is not "no message": ${fence.detail}. Another agent ` +
            `repairs it, unless this node is being fenced`,
          vouchable: true,
        },
      };
  }
}

/** The bare messages that stand in the own slots: what the first read of a boot keeps. */
export function bareMessagesIn(fence: FenceSlot, heartbeat: HeartbeatSlot): BareMessageKey[] {
  return [fence, heartbeat].flatMap((slot) =>
    slot.kind === "bare-fence" ? [bareMessageKey(slot.message)] : [],
  );
}

function bareMark(state: AgentState, senderID: number, reason: number): LatchMark {
  return { bootID: state.config.bootID, epoch: 0, reason, fencer: `node ID ${senderID}` };
}
