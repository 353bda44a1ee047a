import type { SBDNode } from "../api/sbd-node.ts";
import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { REMEDIATION_FINALIZER } from "../api/remediation-names.ts";
import { type Action, targetOf } from "./action.ts";
import { boundMsOf } from "./contract-in-force.ts";
import { candidatesFor } from "./fencer-naming.ts";
import { bootIDOf, type KubeNode } from "./kube-object.ts";
import { lateWriters } from "./late-writers.ts";
import { isReporting, type OperatorMemory } from "./memory.ts";
import { releaseTaints } from "./node-taints.ts";
import type { ReconcileStep } from "./reconcile-step.ts";
import { isDone, orderSlotWork, type SlotWorkProgress } from "./slot-task.ts";
import {
  configNamed,
  isGoing,
  isOpen,
  nodeNamed,
  nodeNameOf,
  outcomeOf,
  slotsOfNode,
  type Moment,
  type Snapshot,
} from "./snapshot.ts";

/**
 * A request that is being deleted. Its finalizer goes last: after the taints, when no other request
 * names the node, and after the message, which must not kill a node that nobody condemns any more.
 * An open request with a fencer of its own inherits the message. It need not be cleared once the boot
 * it is addressed to is proven dead or has long been superseded, or the Node is gone; the SBDNode's
 * own finalizer clears then.
 */
export function reconcileDeletion(
  remediation: SBDRemediation,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): ReconcileStep {
  const finalizers = remediation.metadata.finalizers ?? [];
  if (!finalizers.includes(REMEDIATION_FINALIZER)) {
    return { actions: [], memory };
  }
  const release: Action = {
    type: "set-remediation-finalizers",
    target: targetOf(remediation),
    finalizers: finalizers.filter((finalizer) => finalizer !== REMEDIATION_FINALIZER),
  };
  const nodeName = nodeNameOf(remediation);
  const node = nodeName === null ? null : nodeNamed(snapshot, nodeName);
  if (nodeName === null || node === null) {
    return { actions: [release], memory };
  }
  const others = snapshot.remediations.filter(
    (other) =>
      other.metadata.uid !== remediation.metadata.uid &&
      other.metadata.deletionTimestamp === undefined &&
      nodeNameOf(other) === nodeName,
  );
  const isInherited = others.some((other) => isOpen(other) && wasNamed(other));
  const cleared: SlotWorkProgress = isInherited
    ? DONE
    : clearMessage(remediation, node, snapshot, memory, moment);
  if (cleared.kind === "wait") {
    return { actions: cleared.actions, memory };
  }
  if (others.length > 0) {
    return { actions: [release], memory };
  }
  const untainted = releaseTaints(node);
  return { actions: untainted.length > 0 ? untainted : [release], memory };
}

const DONE = { kind: "done" } as const;

function wasNamed(remediation: SBDRemediation): boolean {
  return remediation.status.fencing?.agentNamedTime !== undefined;
}

function clearMessage(
  remediation: SBDRemediation,
  node: KubeNode,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): SlotWorkProgress {
  const { fencing } = remediation.status;
  const outcome = outcomeOf(remediation);
  const isProven =
    outcome === "fenced" || outcome === "succeeded" || fencing?.evidence !== undefined;
  if (!wasNamed(remediation) || isProven) {
    return DONE;
  }
  const [slot] = slotsOfNode(snapshot, node.metadata.name);
  const config = slot === undefined ? null : configNamed(snapshot, slot.spec.configName);
  if (slot === undefined || config === null) {
    return DONE;
  }
  const known = memory.requests.get(remediation.metadata.uid ?? "");
  const lately = (sinceMs: number | null): boolean =>
    sinceMs !== null && moment.nowMs - sinceMs < boundMsOf(config, snapshot);
  const bootID = bootIDOf(node);
  const superseded = fencing?.bootID !== undefined && bootID !== "" && bootID !== fencing.bootID;
  const isRecent = lately(known?.deletingMs ?? moment.nowMs);
  const late = lateWriters(remediation, config, snapshot, memory, moment);
  // A fencer that holds a grant from before the deletion may be addressing the new boot just now.
  if (superseded && !isRecent && late.length === 0) {
    return DONE;
  }
  const work = { id: `clear-${remediation.metadata.uid ?? ""}`, kind: "Clear" } as const;
  if (isDone(work, snapshot)) {
    return DONE;
  }
  // The present fencer is asked first: its queue is in order, so a write of its own in flight lands
  // before the clearing. Of one that was replaced, or is not there to clear, a write may be in flight
  // until it has to be dead, or is back.
  const candidates = candidatesFor(snapshot, memory, config, remediation, moment.nowMs);
  const fencer = fencing?.agent ?? "";
  const isPresent = fencer === "" || candidates.some(({ spec }) => spec.nodeName === fencer);
  if (lately(known?.replacedMs ?? null) || (!isPresent && isRecent)) {
    return { kind: "wait", actions: [] };
  }
  const awaited = late.filter((name) => !isPresent || name !== fencer);
  if (awaited.length > 0) {
    return { kind: "wait", actions: sayAwaited(remediation, awaited, moment) };
  }
  const able =
    candidates.length > 0 || isRecent ? candidates : itself(slot, snapshot, memory, moment);
  return orderSlotWork(work, slot, able, fencer, snapshot, moment.wall);
}

/** Where nobody else is left the target's own agent clears: it beats, so no message there is for it. */
function itself(
  slot: SBDNode,
  snapshot: Snapshot,
  memory: OperatorMemory,
  { nowMs }: Moment,
): readonly SBDNode[] {
  const { status } = slot;
  const isAble =
    !isGoing(slot, snapshot) &&
    status.leaving !== true &&
    status.fenced !== true &&
    isReporting(memory, slot, nowMs);
  return isAble ? [slot] : [];
}

function sayAwaited(
  remediation: SBDRemediation,
  awaited: readonly string[],
  { wall }: Moment,
): readonly Action[] {
  const message =
    `a fence message of ${awaited.join(", ")} may still reach the device: waiting until each has ` +
    "looked at it again, has started anew, or its Node is deleted";
  return remediation.status.message === message
    ? []
    : [
        {
          type: "patch-remediation-status",
          target: targetOf(remediation),
          status: { message, lastUpdateTime: wall },
        },
      ];
}
