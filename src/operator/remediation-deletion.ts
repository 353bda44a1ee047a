import type { SBDNode } from "../api/sbd-node.ts";
import type { SBDRemediation } from "../api/sbd-remediation.ts";
import {
  OUT_OF_SERVICE_TAINT,
  REMEDIATION_FINALIZER,
  REMEDIATION_TAINT_KEY,
} from "../api/remediation-names.ts";
import { type Action, targetOf } from "./action.ts";
import { candidatesFor } from "./fencer-naming.ts";
import { bootIDOf, type KubeNode } from "./kube-object.ts";
import type { OperatorMemory } from "./memory.ts";
import { removeTaints } from "./node-taints.ts";
import type { ReconcileStep } from "./reconcile-step.ts";
import {
  configNamed,
  nodeNamed,
  nodeNameOf,
  outcomeOf,
  slotsOfNode,
  timingOf,
  type Moment,
  type Snapshot,
} from "./snapshot.ts";

/**
 * A request that is being deleted. Its finalizer goes last: after the taints, when no other request
 * names the node, and after the message, which must not kill a node that nobody condemns any more.
 * The message need not be cleared once the boot it is addressed to is proven dead or superseded, or
 * the Node is gone; the SBDNode's own finalizer clears then.
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
  const othersWantIt = snapshot.remediations.some(
    (other) =>
      other.metadata.uid !== remediation.metadata.uid &&
      other.metadata.deletionTimestamp === undefined &&
      nodeNameOf(other) === nodeName,
  );
  if (othersWantIt) {
    return { actions: [release], memory };
  }
  const cleared = clearMessage(remediation, node, snapshot, memory, moment);
  if (cleared.kind === "wait") {
    return { actions: cleared.actions, memory };
  }
  const untainted = removeTaints(node, [REMEDIATION_TAINT_KEY, OUT_OF_SERVICE_TAINT.key]);
  return { actions: untainted.length > 0 ? untainted : [release], memory };
}

type Clearing =
  | { readonly kind: "done" }
  | { readonly kind: "wait"; readonly actions: readonly Action[] };

function clearMessage(
  remediation: SBDRemediation,
  node: KubeNode,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): Clearing {
  const { fencing } = remediation.status;
  const outcome = outcomeOf(remediation);
  const wasNamed = fencing?.agentNamedTime !== undefined;
  const superseded = fencing?.bootID !== undefined && bootIDOf(node) !== fencing.bootID;
  if (!wasNamed || outcome === "fenced" || outcome === "succeeded" || superseded) {
    return { kind: "done" };
  }
  const [slot] = slotsOfNode(snapshot, node.metadata.name);
  const config = slot === undefined ? null : configNamed(snapshot, slot.spec.configName);
  if (slot === undefined || config === null) {
    return { kind: "done" };
  }
  const replacedMs = memory.requests.get(remediation.metadata.uid ?? "")?.replacedMs ?? null;
  if (replacedMs !== null && moment.nowMs - replacedMs < timingOf(config).msgwaitMs) {
    // A fencer that was replaced may have a write in flight until it has to be dead or back.
    return { kind: "wait", actions: [] };
  }
  return assignClearing(remediation, slot, snapshot, memory, moment);
}

/**
 * The present fencer clears, if it is still there: its queue is in order, so a write of its own in
 * flight lands before the clearing.
 */
function assignClearing(
  remediation: SBDRemediation,
  slot: SBDNode,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): Clearing {
  const id = `clear-${remediation.metadata.uid ?? ""}`;
  const results = snapshot.sbdNodes.flatMap(({ status }) => status.slotTaskResults ?? []);
  const result = results.find((candidate) => candidate.id === id);
  if (result?.state === "Done") {
    return { kind: "done" };
  }
  const config = configNamed(snapshot, slot.spec.configName);
  const candidates =
    config === null ? [] : candidatesFor(snapshot, memory, config, remediation, moment.nowMs);
  const present = candidates.find(
    ({ spec }) => spec.nodeName === remediation.status.fencing?.agent,
  );
  const agent = (present ?? candidates[0])?.spec.nodeName;
  const task = slot.status.slotTask;
  const assigned = task?.id === id && candidates.some(({ spec }) => spec.nodeName === task.agent);
  if (agent === undefined || assigned) {
    return { kind: "wait", actions: [] };
  }
  return {
    kind: "wait",
    actions: [
      {
        type: "patch-sbd-node-status",
        target: targetOf(slot),
        status: { slotTask: { id, kind: "Clear", agent, requestedTime: moment.wall } },
      },
    ],
  };
}
