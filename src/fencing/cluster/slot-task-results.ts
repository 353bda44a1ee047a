import type { SBDNode } from "../../api/sbd-node.ts";
import { listAt, textAt, type KubeObject } from "../../kube/kube-object.ts";
import type { FromSlotTasks, SlotTask } from "../driver/slot-task-message.ts";

/** The leader reads a result long before so many have come after it. */
const RESULTS_KEPT = 16;

/**
 * The slot tasks given to this agent that its own SBDNode does not say are done. One that was refused
 * or failed is tried again: the leader gives it to another agent only when this one falls silent.
 */
export function openSlotTasks(
  sbdNodes: readonly SBDNode[],
  nodeName: string,
  ownName: string | null,
): SlotTask[] {
  const own = sbdNodes.find(({ metadata }) => metadata.name === ownName);
  if (own === undefined) {
    return [];
  }
  const results = own.status.slotTaskResults ?? [];
  const done = new Set(results.filter(({ state }) => state === "Done").map(({ id }) => id));
  return sbdNodes.flatMap(({ spec, status }) => {
    const task = status.slotTask;
    return task === undefined || task.agent !== nodeName || done.has(task.id)
      ? []
      : [{ id: task.id, kind: task.kind, nodeID: spec.nodeID, nodeName: spec.nodeName }];
  });
}

/** `status.slotTaskResults` of the own SBDNode with one more result. */
export function resultsWith(
  own: KubeObject,
  { id, nodeID, state, reason }: FromSlotTasks & { readonly type: "slot-task-done" },
  wallMs: number,
): readonly unknown[] {
  const others = listAt(own, "status", "slotTaskResults").filter(
    (result) => textAt(result, "id") !== id,
  );
  const time = new Date(wallMs).toISOString();
  const result = { id, nodeID, state, time, ...(reason === "" ? {} : { reason }) };
  return [...others, result].slice(-RESULTS_KEPT);
}
