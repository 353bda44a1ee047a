import { randomBytes } from "node:crypto";

import type { OpenRequestsReading } from "../../fencing/authority.ts";
import type { ClearingDecision } from "../../fencing/clearing.ts";
import { decideSlotTask, endOfReplacing } from "../../fencing/slot-task.ts";
import type { Sightings } from "../../observation/sightings.ts";
import type { FenceSlot } from "../../protocol/fence-record.ts";
import { hostClock } from "../../platform/host-clock.ts";
import { deriveTiming, type TimingContract } from "../../timing/contract.ts";
import type { FromCore, SlotTask, SlotTaskState, ToCore } from "./api-message.ts";
import type { DiskWorker } from "../../platform/disk-worker-handle.ts";

export type SlotTasksOptions = {
  readonly name: string;
  readonly nodeID: number;
  readonly worker: DiskWorker;
  readonly send: (message: FromCore) => void;
  /** The device's contract while this agent may write for others; null = it may not. */
  readonly contract: () => TimingContract | null;
  readonly sightings: () => Sightings;
  /** Lets this agent's own fencer of the node write for no request but these. */
  readonly keepOnly: (nodeName: string, openRequestUIDs: readonly string[]) => void;
  readonly log: (level: "info" | "warn", message: string) => void;
};

/** Fence slots that the leader wants cleared or repaired by this agent. */
export type SlotTasks = {
  start(task: SlotTask): void;
  read(message: ToCore & { readonly type: "open-requests-read" }): void;
};

/** More than any leader has under way; the oldest is asked for again. */
const TASKS_MAX = 16;

/**
 * One list of open requests a task, then a look at the slot, a compare and a write. Whatever is in the
 * way refuses the task: the API process hands it over again until it is done. The list's age counts
 * from here, before the question left.
 *
 * The look is queued after the own fencer was told what the list shows, so that it comes after
 * whatever that has ever written: a task that is done leaves nothing of this process in flight.
 */
export function createSlotTasks(options: SlotTasksOptions): SlotTasks {
  const { name, nodeID, worker, send, contract, sightings, keepOnly, log } = options;
  const waiting = new Map<number, { readonly task: SlotTask; readonly startedMs: number }>();
  const underWay = new Set<string>();
  let questions = 0;

  function finish(task: SlotTask, state: SlotTaskState, reason: string): void {
    underWay.delete(task.id);
    log(
      state === "Done" ? "info" : "warn",
      `${task.kind} of fence slot ${task.nodeID} (${task.nodeName}): ${state}${reason && `: ${reason}`}`,
    );
    send({ type: "slot-task-done", id: task.id, nodeID: task.nodeID, state, reason });
  }

  function decide(
    task: SlotTask,
    found: FenceSlot | undefined,
    list: OpenRequestsReading,
    epochFloor: number,
  ): ClearingDecision {
    const timing = contract();
    const writer = timing && {
      name,
      nodeID,
      targetNodeID: task.nodeID,
      epochFloor: Math.max(epochFloor, sightings().epochs.get(task.nodeID) ?? 0),
      nonce: randomBytes(16).toString("hex"),
      wallNs: hostClock.wallNs(),
      timing: deriveTiming(timing),
    };
    return decideSlotTask(task.kind, found, list, writer, hostClock.rawMs());
  }

  async function carryOut(
    task: SlotTask,
    list: OpenRequestsReading,
    epochFloor: number,
  ): Promise<void> {
    try {
      const { fences } = await worker.request({ op: "read-regions" });
      const decision = decide(task, fences.get(task.nodeID), list, epochFloor);
      switch (decision.kind) {
        case "nothing-to-clear":
          finish(task, "Done", "");
          return;
        case "wait":
          finish(task, "Refused", decision.detail);
          return;
        case "clear":
          await replace(task, decision);
          return;
      }
    } catch (error) {
      finish(task, "Failed", error instanceof Error ? error.message : String(error));
    }
  }

  async function replace(
    task: SlotTask,
    { expected, record }: ClearingDecision & { readonly kind: "clear" },
  ): Promise<void> {
    const found = await worker.request({ op: "replace-fence", expected, record });
    const { state, reason } = endOfReplacing(task.kind, record, found);
    finish(task, state, reason);
  }

  return {
    start(task) {
      if (underWay.has(task.id)) {
        return;
      }
      underWay.add(task.id);
      questions += 1;
      waiting.set(questions, { task, startedMs: hostClock.rawMs() });
      const oldest = waiting.entries().next();
      if (waiting.size > TASKS_MAX && oldest.done !== true) {
        const [id, { task: forgotten }] = oldest.value;
        waiting.delete(id);
        underWay.delete(forgotten.id);
      }
      send({ type: "ask-open-requests", id: questions, nodeName: task.nodeName });
    },
    read({ id, openRequestUIDs, epochFloor }) {
      const asked = waiting.get(id);
      waiting.delete(id);
      if (asked === undefined) {
        return;
      }
      const { task, startedMs } = asked;
      keepOnly(task.nodeName, openRequestUIDs);
      void carryOut(task, { startedMs, openRequestUIDs }, epochFloor);
    },
  };
}
