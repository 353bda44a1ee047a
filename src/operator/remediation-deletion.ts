import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { REMEDIATION_FINALIZER } from "../api/remediation-names.ts";
import { type Action, targetOf } from "./action.ts";
import { candidatesFor } from "./fencer-naming.ts";
import { bootIDOf, type KubeNode } from "./kube-object.ts";
import type { OperatorMemory } from "./memory.ts";
import { releaseTaints } from "./node-taints.ts";
import type { ReconcileStep } from "./reconcile-step.ts";
import { orderSlotWork, type SlotWorkProgress } from "./slot-task.ts";
import {
  boundMsOf,
  configNamed,
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
    sinceMs !== null && moment.nowMs - sinceMs < boundMsOf(config);
  const bootID = bootIDOf(node);
  const superseded = fencing?.bootID !== undefined && bootID !== "" && bootID !== fencing.bootID;
  // A fencer that holds a grant from before the deletion may be addressing the new boot just now.
  if (superseded && !lately(known?.deletingMs ?? moment.nowMs)) {
    return DONE;
  }
  // The present fencer is asked first: its queue is in order, so a write of its own in flight lands
  // before the clearing. Of one that was replaced, or is not there to clear, a write may be in flight
  // until it has to be dead or back.
  const candidates = candidatesFor(snapshot, memory, config, remediation, moment.nowMs);
  const fencer = fencing?.agent ?? "";
  const isPresent = fencer === "" || candidates.some(({ spec }) => spec.nodeName === fencer);
  if (
    lately(known?.replacedMs ?? null) ||
    (!isPresent && lately(known?.deletingMs ?? moment.nowMs))
  ) {
    return { kind: "wait", actions: [] };
  }
  const work = { id: `clear-${remediation.metadata.uid ?? ""}`, kind: "Clear" } as const;
  return orderSlotWork(work, slot, candidates, fencer, snapshot, moment.wall);
}
