import type { BootSighting } from "../observation/boot-sighting.ts";
import { recordIn } from "../observation/sightings.ts";
import { msgwaitArithmetic } from "../timing/contract.ts";
import { lacksEndOfLife } from "./end-of-life.ts";
import { wanting, type Lack, type Verdict } from "./evidence.ts";
import { addressedBoot, countFromMs, targetSlot, type FenceCase } from "./fence-case.ts";
import { lacksNode } from "./node-lacks.ts";

/**
 * Bounded: an armed boot that could not read the message is dead M after it was durable. Silence
 * alone proves nothing, so every other reading of that silence is excluded first, each by a read
 * begun after M.
 */
export function judgeBounded(fence: FenceCase): Verdict {
  const { cluster, message, timing } = fence;
  if (cluster === null) {
    return wanting([["NO_AUTHORITY", "nobody answers for the cluster, so time proves nothing"]]);
  }
  if (cluster.pausableNodes === "Refuse") {
    return wanting([["PAUSABLE", "pausableNodes is Refuse, so time proves nothing"]]);
  }
  const lacks = [
    ...lacksEndOfLife(fence),
    ...lacksSilence(fence),
    ...lacksNode(fence, countFromMs(fence) + timing.msgwaitMs),
  ];
  return lacks.length > 0
    ? wanting(lacks)
    : {
        kind: "proven",
        evidence: {
          kind: "Bounded",
          bootID: message.record.targetBootID,
          detail: `silent, armed and ${whoseNode(fence)}; ${msgwaitArithmetic(timing)}`,
        },
      };
}

function whoseNode({ node, message }: FenceCase): string {
  const bootID = node?.last.bootID ?? "";
  return bootID === message.record.targetBootID
    ? "still the Node's boot"
    : `followed by ${bootID}, which was given no pods`;
}

/** Nobody else has beaten in the slot: it may be the Node's work that goes on there. */
function lacksSilence(fence: FenceCase): Lack[] {
  const { targetBootID, targetMachineID } = fence.message.record;
  const slot = targetSlot(fence);
  const record = recordIn(slot);
  const boot = addressedBoot(fence);
  if (record === null || boot === undefined) {
    return [["SLOT_UNREADABLE", "the target's slot holds no readable heartbeat"]];
  }
  return record.bootID !== targetBootID ||
    record.machineID !== targetMachineID ||
    slot?.boots.some((other) => other !== boot && beatSince(other, boot)) === true
    ? [["OTHER_BOOT", "another boot or machine has beaten in the target's slot"]]
    : [];
}

/** `other` has beaten after `boot` began to, and `boot` has not moved since. */
function beatSince(other: BootSighting, boot: BootSighting): boolean {
  const movedSince = boot.moved !== null && boot.moved.fromMs > other.shownMs;
  return other.shownMs > boot.firstShownMs && !movedSince;
}
