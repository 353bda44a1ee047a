import { NODE_SLOT_FINALIZER } from "../api/remediation-names.ts";
import type { SBDConfig } from "../api/sbd-config.ts";
import { type SBDNode, sbdNodeName } from "../api/sbd-node.ts";
import { SBD_MAX_NODES } from "../protocol/message.ts";
import { type Action, targetOf } from "./action.ts";
import { boundMsOf } from "./contract-in-force.ts";
import type { KubeNode } from "./kube-object.ts";
import { isReporting, type OperatorMemory } from "./memory.ts";
import { orderSlotWork } from "./slot-task.ts";
import {
  isAbsentOnPurpose,
  isGoing,
  nodeNamed,
  nodeNameOf,
  oncePerSnapshot,
  slotsOfConfig,
  slotsOfNode,
  type Moment,
  type Snapshot,
} from "./snapshot.ts";

const LINUX = { key: "kubernetes.io/os", value: "linux" } as const;
/** Slots given out in one go; the rest follow when these are seen. */
const CREATED_AT_ONCE_MAX = 20;

/** The Nodes a config covers: Linux, its selector, not on its exclusion list. */
export function coveredNodes(config: SBDConfig, snapshot: Snapshot): readonly KubeNode[] {
  const wanted = Object.entries({ ...config.spec.nodeSelector, [LINUX.key]: LINUX.value });
  return snapshot.nodes.filter(
    ({ metadata }) =>
      metadata.deletionTimestamp === undefined &&
      !config.spec.nodeExclusionList.includes(metadata.name) &&
      wanted.every(([key, value]) => metadata.labels?.[key] === value),
  );
}

/**
 * The config a node belongs to: the oldest that covers it. One node, one watchdog, one config.
 */
export function owningConfig(snapshot: Snapshot, nodeName: string): SBDConfig | null {
  return owningConfigs(snapshot).get(nodeName) ?? null;
}

const owningConfigs = oncePerSnapshot((snapshot) => {
  const owners = new Map<string, SBDConfig>();
  const staying = snapshot.configs.filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  );
  for (const config of staying.toSorted(byAge).toReversed()) {
    for (const { metadata } of coveredNodes(config, snapshot)) owners.set(metadata.name, config);
  }
  return owners;
});

/** Oldest first. */
export function byAge(a: SBDConfig, b: SBDConfig): number {
  return (
    (a.metadata.creationTimestamp ?? "").localeCompare(b.metadata.creationTimestamp ?? "") ||
    a.metadata.name.localeCompare(b.metadata.name)
  );
}

/**
 * Gives every covered node a slot, takes back the slots of nodes that are gone, and removes the
 * higher of two slots for one node. The object's name makes an ID unique even with two leaders.
 */
export function reconcileSlots(
  config: SBDConfig,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): readonly Action[] {
  const own = slotsOfConfig(snapshot, config.metadata.name);
  return [
    ...giveSlots(config, snapshot, own),
    ...removeSecondSlots(own),
    ...takeBackSlots(config, snapshot, own, memory, moment),
  ];
}

function giveSlots(config: SBDConfig, snapshot: Snapshot, own: readonly SBDNode[]): Action[] {
  const without = coveredNodes(config, snapshot).filter(
    ({ metadata }) =>
      slotsOfNode(snapshot, metadata.name).length === 0 &&
      owningConfig(snapshot, metadata.name)?.metadata.name === config.metadata.name,
  );
  if (without.length === 0) {
    return [];
  }
  const taken = new Set(own.map(({ spec }) => spec.nodeID));
  for (const { status } of snapshot.sbdNodes) {
    for (const slot of status.staleSlots ?? []) {
      if (slot.content === "GoHeartbeat") {
        taken.add(slot.nodeID);
      }
    }
  }
  const free = Array.from({ length: SBD_MAX_NODES }, (_, index) => index + 1).filter(
    (nodeID) => !taken.has(nodeID),
  );
  return without
    .slice(0, Math.min(CREATED_AT_ONCE_MAX, free.length))
    .map(({ metadata }, index): Action => {
      const nodeID = free[index] ?? 0;
      return {
        type: "create-sbd-node",
        name: sbdNodeName(config.metadata.name, nodeID),
        spec: { configName: config.metadata.name, nodeName: metadata.name, nodeID },
        config: targetOf(config),
      };
    });
}

function removeSecondSlots(own: readonly SBDNode[]): Action[] {
  const lowest = new Map<string, number>();
  for (const { metadata, spec } of own) {
    if (metadata.deletionTimestamp === undefined) {
      lowest.set(spec.nodeName, Math.min(spec.nodeID, lowest.get(spec.nodeName) ?? Infinity));
    }
  }
  return own
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .filter(({ spec }) => (lowest.get(spec.nodeName) ?? spec.nodeID) < spec.nodeID)
    .map((node): Action => ({ type: "delete-sbd-node", target: targetOf(node) }));
}

/**
 * A slot is free again when its node is gone, or has left for another config, when an agent attests
 * that its heartbeat has stood still for M, and when its fence slot is cleared; until then its
 * finalizer keeps the ID taken.
 */
function takeBackSlots(
  config: SBDConfig,
  snapshot: Snapshot,
  own: readonly SBDNode[],
  memory: OperatorMemory,
  moment: Moment,
): Action[] {
  const msgwaitSeconds = boundMsOf(config, snapshot) / 1_000;
  return own.flatMap((node): Action[] => {
    if (node.metadata.deletionTimestamp === undefined) {
      const gone = nodeNamed(snapshot, node.spec.nodeName) === null;
      return gone || hasLeft(config, node, snapshot, memory, moment)
        ? [{ type: "delete-sbd-node", target: targetOf(node) }]
        : [];
    }
    if (!isGoing(node, snapshot)) {
      return [];
    }
    const attested = own.some(
      (witness) =>
        witness !== node &&
        isReporting(memory, witness, moment.nowMs) &&
        witness.status.staleSlots?.some(
          (slot) => slot.nodeID === node.spec.nodeID && slot.stillSeconds >= msgwaitSeconds,
        ) === true,
    );
    const finalizers = node.metadata.finalizers ?? [];
    if (!attested || !finalizers.includes(NODE_SLOT_FINALIZER)) {
      return [];
    }
    const witnesses = own.filter(
      (witness) => !isGoing(witness, snapshot) && isReporting(memory, witness, moment.nowMs),
    );
    const work = { id: `free-${node.metadata.uid ?? ""}`, kind: "Clear" } as const;
    const cleared = orderSlotWork(work, node, witnesses, "", snapshot, moment.wall);
    return cleared.kind === "wait"
      ? cleared.actions.slice()
      : [
          {
            type: "set-sbd-node-finalizers",
            target: targetOf(node),
            finalizers: finalizers.filter((finalizer) => finalizer !== NODE_SLOT_FINALIZER),
          },
        ];
  });
}

/**
 * Its node belongs to another config or to none now, its agent has said goodbye or never came, and
 * nobody wants it fenced.
 */
function hasLeft(
  config: SBDConfig,
  node: SBDNode,
  snapshot: Snapshot,
  memory: OperatorMemory,
  { nowMs }: Moment,
): boolean {
  return (
    owningConfig(snapshot, node.spec.nodeName)?.metadata.name !== config.metadata.name &&
    isAbsentOnPurpose(node, snapshot) &&
    !isReporting(memory, node, nowMs) &&
    !snapshot.remediations.some((remediation) => nodeNameOf(remediation) === node.spec.nodeName)
  );
}
