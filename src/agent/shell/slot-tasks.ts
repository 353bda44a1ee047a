import { randomBytes } from "node:crypto";

import type { OpenRequestsReading } from "../../fencing/authority.ts";
import { decideClearing, slotExpected, type ClearingDecision } from "../../fencing/clearing.ts";
import type { Sightings } from "../../observation/sightings.ts";
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
 * One list of open requests a task, then a compare and a write. Whatever is in the way refuses the
 * task: the API process hands it over again until it is done. The list's age counts from here, before
 * the question left.
 */
export function createSlotTasks(options: SlotTasksOptions): SlotTasks {
  const { name, nodeID, worker, send, contract, sightings, log } = options;
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

  function decide(task: SlotTask, list: OpenRequestsReading, epochFloor: number): ClearingDecision {
    const timing = contract();
    const seen = sightings();
    const nowMs = hostClock.rawMs();
    if (timing === null || seen.fencesRead === null) {
      return { kind: "wait", detail: "this agent has had no good pass yet" };
    }
    if (nowMs - seen.fencesRead.startedMs > timing.timeoutMs) {
      return { kind: "wait", detail: "this agent has not read the fence slots for T" };
    }
    return decideClearing(
      slotExpected(task.kind, seen.fences.get(task.nodeID)?.slot),
      list,
      {
        name,
        nodeID,
        targetNodeID: task.nodeID,
        epochFloor: Math.max(epochFloor, seen.epochs.get(task.nodeID) ?? 0),
        nonce: randomBytes(16).toString("hex"),
        wallNs: hostClock.wallNs(),
        timing: deriveTiming(timing),
      },
      nowMs,
    );
  }

  async function clear(
    task: SlotTask,
    { expected, record }: ClearingDecision & { readonly kind: "clear" },
  ): Promise<void> {
    try {
      const reply = await worker.request({ op: "replace-fence", expected, record });
      const { replaced, readBack } = reply;
      if (!replaced && task.kind === "Repair") {
        finish(task, "Done", "the slot can be read by now");
      } else if (!replaced) {
        finish(task, "Refused", "the slot holds something else by now");
      } else if (readBack.kind === "cleared" && readBack.record.nonce === record.nonce) {
        finish(task, "Done", "");
      } else {
        finish(task, "Failed", "the slot was not read back as it was written");
      }
    } catch (error) {
      finish(task, "Failed", error instanceof Error ? error.message : String(error));
    }
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
      const decision = decide(task, { startedMs, openRequestUIDs }, epochFloor);
      switch (decision.kind) {
        case "nothing-to-clear":
          finish(task, "Done", "");
          return;
        case "wait":
          finish(task, "Refused", decision.detail);
          return;
        case "clear":
          void clear(task, decision);
          return;
      }
    },
  };
}
