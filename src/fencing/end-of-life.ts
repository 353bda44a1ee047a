import type { BootSighting } from "../observation/boot-sighting.ts";
import { recordIn, sameFenceSlot, type SlotSighting } from "../observation/sightings.ts";
import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";
import { longestTiming, msgwaitArithmetic } from "../timing/contract.ts";
import type { Lack } from "./evidence.ts";
import { addressedBoot, countFromMs, type FenceCase } from "./fence-case.ts";

/**
 * What is missing to this: the addressed boot was armed and has been ordered dead for M, so it can no
 * longer live, whether it could read the message or not. Each by a read begun after M.
 */
export function lacksEndOfLife(fence: FenceCase): Lack[] {
  return [
    ...lacksTime(fence),
    ...lacksMessage(fence),
    ...lacksArming(fence),
    ...lacksWitness(fence),
    ...lacksSBDNode(fence),
  ];
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

function lacksArming(fence: FenceCase): Lack[] {
  const { message, target, sightings } = fence;
  const boot = addressedBoot(fence);
  if (boot === undefined) {
    return [["SLOT_UNREADABLE", "the addressed boot has not beaten in the target's slot"]];
  }
  const lacks: Lack[] = [];
  const { armed, leaving, detectOnly } = boot.record;
  if (!armed || leaving || detectOnly) {
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
      (held.nodeName === target.nodeName || held.bootID === message.record.targetBootID) &&
      !isOfThePast(fence, other, boot)
    ) {
      lacks.push(["OTHER_SLOT", `slot ${nodeID} holds the same node or boot`]);
    }
  }
  return lacks;
}

/**
 * What stands in the other slot is of the past: it has not changed for M, by a read begun after M, and the node
 * does not live by it any more. That no SBDNode of the node holds that slot is asked besides (`SBDNODE`). What
 * cannot be read may have changed unseen.
 */
function isOfThePast(fence: FenceCase, other: SlotSighting, boot: BootSighting): boolean {
  const record = recordIn(other);
  const readMs = fence.sightings.heartbeatsRead?.startedMs ?? -Infinity;
  return (
    record !== null &&
    readMs - other.shownMs >= longestTiming(fence.timing, [record]).msgwaitMs &&
    (beatOnSince(other, boot) || isLeftBehind(fence, other.nodeID, record, boot))
  );
}

/**
 * The addressed boot was seen to beat on in its own slot since. Whoever lived by the other one has moved on
 * or is dead: it could have had no good pass, and no vouch while the request stands.
 */
function beatOnSince(other: SlotSighting, { moved }: BootSighting): boolean {
  return moved !== null && moved.fromMs > other.shownMs;
}

/**
 * No SBDNode at all holds the other slot, so no agent is to beat there; a fencer that was not there to see
 * when it was left may watch it for M and see nothing. Of the addressed boot itself it must also hold an
 * earlier uptime: then its agent has moved here from there.
 */
function isLeftBehind(
  { node }: FenceCase,
  nodeID: number,
  record: HeartbeatRecord,
  boot: BootSighting,
): boolean {
  const isFree = node?.last.heldNodeIDs.includes(nodeID) === false;
  const isAnotherBoot = record.bootID !== boot.record.bootID;
  return isFree && (isAnotherBoot || record.uptimeMs < boot.record.uptimeMs);
}

function lacksWitness(fence: FenceCase): Lack[] {
  const { target, sightings } = fence;
  const seenMoving = new Set(
    [...sightings.heartbeats.values()]
      .filter((other) => other.boots.some(({ moved }) => moved !== null))
      .map(({ nodeID }) => nodeID),
  );
  const witnessed = addressedBoot(fence)?.witnessed ?? [];
  return witnessed.some((nodeID) => nodeID !== target.nodeID && seenMoving.has(nodeID))
    ? []
    : [
        [
          "NO_WITNESS",
          "the target has not listed as moving any node that this fencer has seen move, so nothing " +
            "shows that both look at one device (with a single agent left, nothing can)",
        ],
      ];
}

/** What the slot shows, or showed before it became unreadable. */
function recordOrHidden(other: SlotSighting): HeartbeatRecord | null {
  return other.slot.kind === "unreadable" ? (other.boots[0]?.record ?? null) : recordIn(other);
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
