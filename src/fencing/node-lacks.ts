import { seconds } from "../timing/contract.ts";
import type { Lack } from "./evidence.ts";
import {
  acknowledgementFor,
  addressedBoot,
  beganAfterMessage,
  isVirtual,
  otherBoots,
  targetSlot,
  type FenceCase,
  type ToldBoot,
} from "./fence-case.ts";
import { runsTwice } from "./two-of-one-id.ts";

/** How far the watch cache that a kubelet lists its Node from may be behind: then NoExecute keeps pods away. */
export const TAINT_STANDS_MS = 5_000;

/**
 * What is missing to this: the Node's work ran on the machine that died, and runs on no other. The
 * device tells of the boot that holds the slot, and the Node may be another machine's by now: one
 * that was provisioned anew under the name cannot beat in the slot while the old one does. So the
 * kubelet's word is asked for, and NoExecute keeps the work from a machine that registers later.
 * Where nobody answers for the cluster the slot alone is asked: then a boot is proven dead, not a Node.
 *
 * No row accepts a kubelet-reported boot that is neither the dead one nor provably begun after the
 * message: it may run pods, and its agent may be late.
 *
 * @param readFromMs the Node must have been read from then on
 */
export function lacksNode(fence: FenceCase, readFromMs: number): Lack[] {
  const { record, durableMs } = fence.message;
  const ofTheMachine = toldOfTheMachine(fence);
  const mayTell = new Set([...deadOrLaterBoots(fence), ...toldOverOrEmpty(fence, ofTheMachine)]);
  const last = fence.node?.last.bootID ?? "";
  const runsUnseen = ofTheMachine.has(last) && !mayTell.has(last);
  const told = lacksNodeSince(fence, {
    sinceMs: durableMs,
    boots: new Set([...bootsOfTheMachine(fence), ...ofTheMachine.keys()]),
    mayTell,
    readFromMs,
    whose:
      `the message is addressed to ${record.targetBootID}` +
      (runsUnseen
        ? ", and the later boot may run the Node's pods: see to its agent, or reset it"
        : ""),
  });
  return [...lacksOneMachine(fence), ...told];
}

/** The machine that died, and what the Node must have told to be that one's. */
export type NodeWanted = {
  /** No reading begun since may have told any other boot than these. */
  readonly sinceMs: number;
  readonly boots: ReadonlySet<string>;
  /** The boots that the kubelet may have told last. */
  readonly mayTell: ReadonlySet<string>;
  /** The Node must have been read from then on. */
  readonly readFromMs: number;
  /** For people: which boot it is about. */
  readonly whose: string;
};

/** The same without a message, where a boot is known to be dead from elsewhere. */
export function lacksNodeSince(
  { cluster, node }: Pick<FenceCase, "cluster" | "node">,
  { sinceMs, boots, mayTell, readFromMs, whose }: NodeWanted,
): Lack[] {
  if (cluster === null) {
    return [];
  }
  if (node === null) {
    return [["NODE_UNKNOWN", "the Node was not read yet"]];
  }
  const { last, taintedMs, told } = node;
  const lacks: Lack[] = [];
  if (last.startedMs < readFromMs) {
    lacks.push(["REREAD", "the Node was not read again"]);
  }
  if (last.nodeUID === null || last.nodeUID !== node.nodeUID) {
    lacks.push(["NODE_UNKNOWN", "the Node is gone or another one than at the start"]);
  }
  const since = [...told].filter(([, { lastMs }]) => lastMs >= sinceMs);
  const [stranger] = since.find(([bootID]) => !boots.has(bootID)) ?? [];
  const doubtful = mayTell.has(last.bootID) ? stranger : last.bootID;
  if (doubtful !== undefined) {
    lacks.push(["NODE_BOOT", `the kubelet has told boot ${doubtful || "(none)"}, ${whose}`]);
  }
  if (!last.noExecute || taintedMs === null || last.startedMs - taintedMs < TAINT_STANDS_MS) {
    lacks.push(["TAINT", `the NoExecute taint has not stood for ${seconds(TAINT_STANDS_MS)}`]);
  }
  return lacks;
}

/** The boots that are known to be the target machine's: the addressed one, and those in its slot. */
function bootsOfTheMachine(fence: FenceCase): ReadonlySet<string> {
  const others = otherBoots(fence).map(({ record }) => record.bootID);
  return new Set([fence.message.record.targetBootID, ...others]);
}

/**
 * The addressed boot, and those of the machine's others that cannot have run before the message and
 * on: where the addressed boot acknowledged, it ran after the message, and every other boot of a machine
 * that runs one at a time is over or later; else one must have begun provably after the message.
 */
function deadOrLaterBoots(fence: FenceCase): ReadonlySet<string> {
  const acknowledged = acknowledgementFor(fence) !== null;
  const inTurn = acknowledged && !isVirtual(fence);
  const uptimeCounts = acknowledged || fence.cluster?.pausableNodes !== "Refuse";
  const others = otherBoots(fence).filter(
    (boot) => inTurn || (uptimeCounts && beganAfterMessage(fence, boot)),
  );
  return new Set([fence.message.record.targetBootID, ...others.map(({ record }) => record.bootID)]);
}

/**
 * Boots that the kubelet has told, and that are the target machine's whether they have beaten or not: the
 * kubelet names the machine by the same sources as the heartbeat does. Where another node beats under that
 * ID it names nobody.
 */
function toldOfTheMachine({ node, message, sightings, target }: FenceCase): ToldBoots {
  const { targetMachineID } = message.record;
  const isShared = [...sightings.heartbeats.values()].some(({ boots }) =>
    boots.some(
      ({ record }) => record.machineID === targetMachineID && record.nodeName !== target.nodeName,
    ),
  );
  const told = isShared ? [] : [...(node?.told ?? [])];
  return new Map(told.filter(([, { machineIDs }]) => machineIDs.includes(targetMachineID)));
}

type ToldBoots = ReadonlyMap<string, ToldBoot>;

/**
 * Those of them that stand in nobody's way, by one of two reasons:
 *
 * - The addressed boot acknowledged, so it ran after the message, and a machine of its own runs one boot at
 *   a time: every other one is over, or began later.
 * - It was first told when NoExecute had stood for `TAINT_STANDS_MS` under an earlier boot: a kubelet tells its boot
 *   before it starts pods, so this one was given none. What ran before it ended with it on a machine of its
 *   own; a virtual one may run twice, so there no boot but the addressed one may have been told before.
 */
function toldOverOrEmpty(fence: FenceCase, ofTheMachine: ToldBoots): readonly string[] {
  const virtual = isVirtual(fence);
  if (acknowledgementFor(fence) !== null && !virtual) {
    return [...ofTheMachine.keys()];
  }
  const taintedMs = fence.node?.taintedMs ?? Infinity;
  const { targetBootID } = fence.message.record;
  const addressed = ofTheMachine.get(targetBootID);
  const others = [...ofTheMachine].filter(([bootID]) => bootID !== targetBootID);
  const before = virtual ? [] : others.map(([, told]) => told);
  const earlier = [...(addressed === undefined ? [] : [addressed]), ...before];
  const isEmpty = ({ firstMs }: ToldBoot): boolean =>
    earlier.some(({ lastMs }) => lastMs < firstMs && lastMs - taintedMs >= TAINT_STANDS_MS);
  const empty = others.filter(([, told]) => isEmpty(told)).map(([bootID]) => bootID);
  return virtual && empty.length < others.length ? [] : empty;
}

/** Another machine has come to beat under the node's name: whose death is proven is not the Node's. */
export function lacksOneMachine(fence: FenceCase): Lack[] {
  const { targetMachineID } = fence.message.record;
  const twice = runsTwice(targetSlot(fence), fence.target.nodeName, targetMachineID);
  if (twice !== null) {
    const [one, other] = twice;
    return [
      [
        "TWO_MACHINES",
        `boots ${one} and ${other} of machine ${targetMachineID} have beaten in turn, so two machines ` +
          `have that ID: a clone, or a virtual machine that was started a second time. Stop one of them, ` +
          `and give a clone an ID, a name and a slot of its own`,
      ],
    ];
  }
  const sinceMs = addressedBoot(fence)?.firstShownMs ?? -Infinity;
  const stranger = targetSlot(fence)?.boots.find(
    ({ record, shownMs }) =>
      record.nodeName === fence.target.nodeName &&
      record.machineID !== targetMachineID &&
      shownMs > sinceMs,
  );
  return stranger === undefined
    ? []
    : [
        [
          "TWO_MACHINES",
          `machine ${stranger.record.machineID} beats under the node's name too, and another ` +
            `machine is not a reboot`,
        ],
      ];
}
