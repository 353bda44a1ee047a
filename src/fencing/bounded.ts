import type { BootSighting } from "../observation/boot-sighting.ts";
import { recordIn, sameFenceSlot, type SlotSighting } from "../observation/sightings.ts";
import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";
import { msgwaitArithmetic } from "../timing/contract.ts";
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
    ...lacksTime(fence),
    ...lacksMessage(fence),
    ...lacksSilence(fence),
    ...lacksNode(fence, countFromMs(fence) + timing.msgwaitMs),
    ...lacksSBDNode(fence),
  ];
  return lacks.length > 0
    ? wanting(lacks)
    : {
        kind: "proven",
        evidence: {
          kind: "Bounded",
          bootID: message.record.targetBootID,
          detail: `silent, armed and still the Node's boot; ${msgwaitArithmetic(timing)}`,
        },
      };
}

/** The armed boot moved later than T + 2W after the message: it has not been ordered dead at all. */
export function movedLate(fence: FenceCase): boolean {
  const boot = addressedBoot(fence);
  return boot !== undefined && boot.shownMs > fence.message.durableMs + fence.timing.longestLifeMs;
}

function lacksTime(fence: FenceCase): Lack[] {
  const { nowMs, timing, sightings } = fence;
  const dueMs = countFromMs(fence) + timing.msgwaitMs;
  if (nowMs < dueMs) {
    return [["MSGWAIT", `${msgwaitArithmetic(timing)} has not passed since the message`]];
  }
  const reread =
    (sightings.heartbeatsRead?.startedMs ?? -Infinity) >= dueMs &&
    (sightings.fencesRead?.startedMs ?? -Infinity) >= dueMs;
  return reread ? [] : [["REREAD", "the device was not read again after M"]];
}

/** A node that read an empty slot in between has not been ordered dead. */
function lacksMessage({ message, sightings, target }: FenceCase): Lack[] {
  const readSince = (sightings.fencesRead?.startedMs ?? -Infinity) >= message.durableMs;
  const found = sightings.fences.get(target.nodeID)?.slot ?? { kind: "empty" };
  return readSince && !sameFenceSlot(found, { kind: "fence", record: message.record })
    ? [["MESSAGE", "the fence slot does not hold the message any more"]]
    : [];
}

function lacksSilence(fence: FenceCase): Lack[] {
  const { message, target, sightings } = fence;
  const { targetBootID } = message.record;
  const lacks: Lack[] = [];
  const slot = targetSlot(fence);
  const record = recordIn(slot);
  const boot = addressedBoot(fence);
  if (record === null || boot === undefined) {
    return [["SLOT_UNREADABLE", "the target's slot holds no readable heartbeat"]];
  }
  if (
    record.bootID !== targetBootID ||
    record.machineID !== message.record.targetMachineID ||
    slot?.boots.some((other) => other !== boot && beatSince(other, boot))
  ) {
    lacks.push(["OTHER_BOOT", "another boot or machine has beaten in the target's slot"]);
  }
  if (!record.armed || record.leaving || record.detectOnly) {
    lacks.push(["NOT_ARMED", "the target's last heartbeat is not an armed, staying agent's"]);
  }
  if (movedLate(fence)) {
    lacks.push(["LATE_MOVEMENT", "the target moved later than a condemned node can live"]);
  }
  for (const [nodeID, other] of sightings.heartbeats) {
    const held = recordOrHidden(other);
    if (
      nodeID !== target.nodeID &&
      held !== null &&
      (held.nodeName === target.nodeName || held.bootID === targetBootID)
    ) {
      lacks.push(["OTHER_SLOT", `slot ${nodeID} holds the same node or boot`]);
    }
  }
  const seenMoving = new Set(
    [...sightings.heartbeats.values()]
      .filter((other) => other.boots.some(({ moved }) => moved !== null))
      .map(({ nodeID }) => nodeID),
  );
  if (!boot.witnessed.some((nodeID) => nodeID !== target.nodeID && seenMoving.has(nodeID))) {
    lacks.push([
      "NO_WITNESS",
      "the target has not listed as moving any node that this fencer has seen move, so nothing " +
        "shows that both look at one device (with a single agent left, nothing can)",
    ]);
  }
  return lacks;
}

/** What the slot shows, or showed before it became unreadable. */
function recordOrHidden(other: SlotSighting): HeartbeatRecord | null {
  return other.slot.kind === "unreadable" ? (other.boots[0]?.record ?? null) : recordIn(other);
}

/** `other` has beaten after `boot` began to, and `boot` has not moved since. */
function beatSince(other: BootSighting, boot: BootSighting): boolean {
  const movedSince = boot.moved !== null && boot.moved.fromMs > other.shownMs;
  return other.shownMs > boot.firstShownMs && !movedSince;
}

function lacksSBDNode({ node, target, message }: FenceCase): Lack[] {
  if (node === null) {
    return [];
  }
  const [only, ...more] = node.last.sbdNodes;
  if (only === undefined || more.length > 0 || only.nodeID !== target.nodeID || only.leaving) {
    return [["SBDNODE", "there is not exactly one SBDNode for the node, or it is leaving"]];
  }
  // A late armed heartbeat of a predecessor may stand over the unarmed one of its successor.
  return only.unarmedBootID === message.record.targetBootID
    ? [["SBDNODE", "its agent has told the API that this boot runs unarmed"]]
    : [];
}
