import { seconds } from "../timing/contract.ts";
import { wanting, type Evidence, type Verdict } from "./evidence.ts";
import {
  acknowledgementFor,
  addressedBoot,
  beganAfterMessage,
  countFromMs,
  otherBoots,
  targetSlot,
  type FenceCase,
} from "./fence-case.ts";
import { lacksNode, lacksOneMachine } from "./node-lacks.ts";

/**
 * Rebooted: a later boot of the same machine proves the end of the addressed one.
 *
 * (a) The addressed boot acknowledged this epoch and then another boot of the machine beats: any
 * later boot will do, without clocks. "Then" needs both beats of a movement to have been shown after
 * the acknowledgement; one could be a stale write of an earlier boot that landed late.
 *
 * (b) Another boot's beginning lies provably after the message became durable. A changed boot ID
 * alone proves nothing: it may have begun before the message and run on.
 */
export function judgeRebooted(fence: FenceCase): Verdict {
  const later = laterBoot(fence);
  if (later === null) {
    const [twoMachines] = lacksOneMachine(fence);
    return wanting([twoMachines ?? ["NO_LATER_BOOT", "no later boot of the machine beats"]]);
  }
  const lacks = lacksNode(fence, later.provenFromMs);
  return lacks.length > 0 ? wanting(lacks) : { kind: "proven", evidence: later.evidence };
}

type LaterBoot = {
  readonly evidence: Evidence;
  /** The addressed boot obeyed or was gone by then. */
  readonly provenFromMs: number;
};

function laterBoot(fence: FenceCase): LaterBoot | null {
  const { targetBootID } = fence.message.record;
  const acknowledgement = acknowledgementFor(fence);
  const fromMs = countFromMs(fence);
  for (const boot of otherBoots(fence)) {
    const { record, moved, bootMinMs, firstShownMs } = boot;
    const evidence = {
      kind: "Rebooted",
      bootID: targetBootID,
      laterBootID: record.bootID,
    } as const;
    if (acknowledgement !== null && moved !== null && moved.fromMs > acknowledgement.seenMs) {
      return {
        evidence: {
          ...evidence,
          rule: "a",
          detail: `boot ${targetBootID} acknowledged, and boot ${record.bootID} beats after it`,
        },
        provenFromMs: acknowledgement.seenMs,
      };
    }
    if (beganAfterMessage(fence, boot)) {
      return {
        evidence: {
          ...evidence,
          rule: "b",
          detail:
            `boot ${record.bootID} began at least ${seconds(Math.floor(bootMinMs - fromMs))} after ` +
            `the message was durable`,
        },
        provenFromMs: firstShownMs,
      };
    }
  }
  return null;
}

/**
 * A boot that predates the message (or the request) and beats now: the message must be written anew,
 * addressed to it. Null where there is none, or none that is provably so. It beats now if both beats
 * of a movement came after the addressed boot's last one; one could be a stale write.
 */
export function bootToAddressAnew(fence: FenceCase): string | null {
  const { nowMs, timing } = fence;
  const slot = targetSlot(fence);
  const addressedShownMs = addressedBoot(fence)?.shownMs ?? -Infinity;
  const found = otherBoots(fence).find(
    (boot) =>
      boot.moved !== null &&
      boot.moved.fromMs > addressedShownMs &&
      nowMs - boot.moved.toMs <= timing.timeoutMs &&
      boot.bootMaxMs < countFromMs(fence) &&
      slot?.slot.kind === "heartbeat" &&
      slot.slot.record.bootID === boot.record.bootID,
  );
  return found?.record.bootID ?? null;
}
