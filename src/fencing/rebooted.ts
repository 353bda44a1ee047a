import { acknowledgedWaitMs, seconds } from "../timing/contract.ts";
import type { BootSighting, Movement } from "../observation/boot-sighting.ts";
import { lacksEndOfLife } from "./end-of-life.ts";
import { wanting, type Evidence, type Lack, type Verdict } from "./evidence.ts";
import {
  acknowledgementFor,
  addressedBoot,
  beganAfterMessage,
  countFromMs,
  isVirtual,
  otherBoots,
  targetSlot,
  type FenceCase,
} from "./fence-case.ts";
import { lacksNode, lacksOneMachine } from "./node-lacks.ts";

/** In p: bounds that are so near to each other will hardly narrow; wider ones are read on. */
const DATED_TO_PASSES = 3;

/**
 * Rebooted: a later boot of the same machine proves the end of the addressed one.
 *
 * (a) The addressed boot acknowledged this epoch and then another boot of the machine beats: any
 * later boot will do, without clocks. "Then" needs both beats of a movement to have been shown after
 * the acknowledgement; one could be a stale write of an earlier boot that landed late.
 *
 * (b) Another boot's beginning lies provably after the message became durable. A changed boot ID
 * alone proves nothing: it may have begun before the message and run on.
 *
 * (b) also where that beginning is too near to the message to be told from it, if the boot was given no pods.
 *
 * A virtual machine may be started a second time while it runs. There another boot is no proof of the
 * first one's end, and dates it only once that can no longer live: it was armed, and has acknowledged
 * for 2W + slack (a), or been ordered dead for M (b). In (a) the other must have begun after the message.
 */
export function judgeRebooted(fence: FenceCase): Verdict {
  const later = laterBoot(fence);
  if (later === null) {
    const [twoMachines] = lacksOneMachine(fence);
    return wanting([twoMachines ?? ["NO_LATER_BOOT", "no later boot of the machine beats"]]);
  }
  const lacks = [
    ...(isVirtual(fence) ? lacksEndOfFirst(fence, later) : []),
    ...lacksNode(fence, later.provenFromMs),
  ];
  return lacks.length > 0 ? wanting(lacks) : { kind: "proven", evidence: later.evidence };
}

type LaterBoot = {
  readonly evidence: Evidence & { readonly kind: "Rebooted" };
  /** The addressed boot obeyed or was gone by then. */
  readonly provenFromMs: number;
};

function laterBoot(fence: FenceCase): LaterBoot | null {
  const { targetBootID } = fence.message.record;
  const acknowledgement = acknowledgementFor(fence);
  const fromMs = countFromMs(fence);
  const virtual = isVirtual(fence);
  const uptimeCounts = fence.cluster?.pausableNodes !== "Refuse";
  for (const boot of otherBoots(fence)) {
    const { record, moved, bootMinMs, firstShownMs } = boot;
    const evidence = {
      kind: "Rebooted",
      bootID: targetBootID,
      laterBootID: record.bootID,
    } as const;
    const beganAfter = beganAfterMessage(fence, boot);
    const beatsAfterIt =
      acknowledgement !== null && moved !== null && moved.fromMs > acknowledgement.seenMs;
    if (beatsAfterIt && (beganAfter || !virtual)) {
      return {
        evidence: {
          ...evidence,
          rule: "a",
          detail: `boot ${targetBootID} acknowledged, and boot ${record.bootID} beats after it`,
        },
        provenFromMs: acknowledgement.seenMs,
      };
    }
    if (uptimeCounts && beganAfter) {
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
    if (uptimeCounts && beganAboutThen(fence, boot)) {
      return {
        evidence: {
          ...evidence,
          rule: "b",
          detail:
            `boot ${record.bootID} beats after it and was given no pods; it began within ` +
            `${seconds(Math.ceil(boot.bootMaxMs - bootMinMs))} of the message`,
        },
        provenFromMs: boot.moved.toMs,
      };
    }
  }
  return null;
}

/**
 * Whether it began before or after the message cannot be told, and may never be: its bounds are narrow already. It
 * ends the addressed boot like any later one, as both beats of a movement of it came after that one's last. What it
 * may lack is that nobody has ordered it dead; so where the cluster is asked, and the Node shows that it was given
 * no pods (`lacksNode`: told when NoExecute had stood, or not told yet), nobody needs to. To address it anew instead
 * could kill the very boot that is the proof.
 */
function beganAboutThen(
  fence: FenceCase,
  boot: BootSighting,
): boot is BootSighting & { readonly moved: Movement } {
  const fromMs = countFromMs(fence);
  const addressed = addressedBoot(fence);
  return (
    fence.cluster !== null &&
    addressed !== undefined &&
    boot.moved !== null &&
    boot.moved.fromMs > addressed.shownMs &&
    boot.bootMaxMs - boot.bootMinMs <= DATED_TO_PASSES * fence.timing.passIntervalMs &&
    boot.bootMinMs <= fromMs &&
    boot.bootMaxMs >= fromMs
  );
}

/** The machine is virtual: the addressed boot may run on beside the later one. */
function lacksEndOfFirst(fence: FenceCase, { evidence }: LaterBoot): Lack[] {
  const { nowMs, timing } = fence;
  const acknowledgement = acknowledgementFor(fence);
  if (evidence.rule === "b" || acknowledgement === null) {
    return lacksEndOfLife(fence);
  }
  if (!acknowledgement.armed) {
    return [
      [
        "ACKNOWLEDGED_UNARMED",
        "the target acknowledged without an armed watchdog, and a virtual machine may run beside " +
          "another that was started in its place",
      ],
    ];
  }
  const waitMs = acknowledgedWaitMs(timing, acknowledgement.watchdogMs);
  const dueMs = acknowledgement.seenMs + waitMs;
  return nowMs < dueMs
    ? [
        [
          "ACKNOWLEDGED_WAIT",
          `acknowledged; its watchdog has fired by ${seconds(waitMs)} after that`,
        ],
      ]
    : [];
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
