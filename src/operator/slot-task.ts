import type { SBDNode, SBDNodeStatus } from "../api/sbd-node.ts";
import { type Action, targetOf } from "./action.ts";
import type { Snapshot } from "./snapshot.ts";

/** What is to be done to a fence slot; the same work has the same ID, whoever leads. */
export type SlotWork = Pick<NonNullable<SBDNodeStatus["slotTask"]>, "id" | "kind">;

/** How far it is. */
export type SlotWorkProgress =
  | { readonly kind: "done" }
  | { readonly kind: "wait"; readonly actions: readonly Action[] };

/**
 * Has work done on the fence slot of an SBDNode, by the preferred agent where it is among the
 * candidates. Given to another one when its agent is a candidate no more; the agent itself tries again
 * until it is done.
 */
export function orderSlotWork(
  { id, kind }: SlotWork,
  slot: SBDNode,
  candidates: readonly SBDNode[],
  preferred: string,
  snapshot: Snapshot,
  wall: string,
): SlotWorkProgress {
  if (isDone({ id, kind }, snapshot)) {
    return { kind: "done" };
  }
  const present = candidates.find(({ spec }) => spec.nodeName === preferred);
  const agent = (present ?? candidates[0])?.spec.nodeName;
  const task = slot.status.slotTask;
  const assigned = task?.id === id && candidates.some(({ spec }) => spec.nodeName === task.agent);
  if (agent === undefined || assigned) {
    return { kind: "wait", actions: [] };
  }
  const slotTask = { id, kind, agent, requestedTime: wall };
  return {
    kind: "wait",
    actions: [{ type: "patch-sbd-node-status", target: targetOf(slot), status: { slotTask } }],
  };
}

/** Some agent says that it has done it. */
export function isDone({ id }: SlotWork, { sbdNodes }: Snapshot): boolean {
  return sbdNodes.some(({ status }) =>
    status.slotTaskResults?.some((result) => result.id === id && result.state === "Done"),
  );
}
