import type { Sightings } from "../../observation/sightings.ts";
import type { FenceSlot } from "../../protocol/fence-record.ts";
import { deriveTiming, seconds, type TimingContract } from "../../timing/contract.ts";
import type { OpenRequestsReading } from "../authority.ts";
import type { ClearingDecision } from "../clearing.ts";
import { decideSlotTask, endOfReplacing, type SlotTaskEnd } from "../slot-task.ts";
import { DEVICE_WITHIN_MS, type DeviceAnswer, type FenceDevice } from "./fence-device.ts";
import type { FencerClock } from "./fencer-clock.ts";
import type { FromSlotTasks, SlotTask, ToSlotTasks } from "./slot-task-message.ts";

export type SlotTaskDriverParts = {
  readonly name: string;
  readonly nodeID: number;
  readonly clock: FencerClock;
  /** Fresh with every call: 32 random hex digits. */
  readonly nonce: () => string;
  readonly device: FenceDevice;
  readonly send: (message: FromSlotTasks) => void;
  /** The device's contract while this process may write for others; null = it may not. */
  readonly contract: () => TimingContract | null;
  readonly sightings: () => Sightings;
  /** Lets this process's own fencer of the node write for no request but these. */
  readonly keepOnly: (nodeName: string, openRequestUIDs: readonly string[]) => void;
  readonly log: (level: "info" | "warn", message: string) => void;
};

/** Fence slots that the leader wants cleared or repaired by this process. */
export type SlotTaskDriver = {
  receive(message: ToSlotTasks): void;
  /** Ends what was not answered in time. */
  tick(): void;
};

/** More than any leader has under way; the oldest is asked for again. */
const TASKS_MAX = 16;
/** Twice as long as any request to the API may take, and no longer than until the next hand-over. */
const LIST_WITHIN_MS = 10_000;

/** One try of a task. What answers an earlier one, or one that has ended, is not heard. */
type Attempt = {
  readonly id: number;
  readonly task: SlotTask;
  /** Before its question left. */
  readonly startedMs: number;
  readonly waitsFor: "list" | "device";
  readonly dueMs: number;
};

/**
 * One list of open requests a task, then a look at the slot, a compare and a write. Whatever is in the
 * way refuses the task: it is handed over again until it is done. The list's age counts from here,
 * before the question left.
 *
 * The look is queued after the own fencer was told what the list shows, so that it comes after
 * whatever that has ever written: a task that is done leaves nothing of this process in flight.
 *
 * A question may be lost with the API process that was to answer it. So a task that is handed over again
 * while it waits for its list asks anew, and every question has a time after which its task has failed.
 */
export function createSlotTaskDriver(parts: SlotTaskDriverParts): SlotTaskDriver {
  const { name, nodeID, clock, device, send, contract, log } = parts;
  const attempts = new Map<string, Attempt>();
  let attemptIDs = 0;
  /** Asked of the device and not answered, also for attempts that have ended. */
  let outstanding = 0;

  function start({ id, kind, nodeID, nodeName }: SlotTask): void {
    const known = attempts.get(id);
    if (known?.waitsFor === "device") {
      return;
    }
    const startedMs = clock.rawMs();
    const dueMs = startedMs + LIST_WITHIN_MS;
    const task = { id, kind, nodeID, nodeName };
    attemptIDs += 1;
    attempts.delete(id);
    attempts.set(id, { id: attemptIDs, task, startedMs, waitsFor: "list", dueMs });
    const oldest = attempts.keys().next();
    if (attempts.size > TASKS_MAX && oldest.done !== true) {
      attempts.delete(oldest.value);
    }
    send({ type: "ask-open-requests", id: attemptIDs, nodeName });
  }

  function listed({ id, openRequestUIDs, epochFloor }: ListRead): void {
    const attempt = [...attempts.values()].find((waiting) => waiting.id === id);
    if (attempt?.waitsFor !== "list") {
      return;
    }
    const { task, startedMs } = attempt;
    parts.keepOnly(task.nodeName, openRequestUIDs);
    if (outstanding >= TASKS_MAX) {
      finish(task, failed(`${outstanding} earlier questions wait for the device`));
      return;
    }
    const looking: Attempt = {
      ...attempt,
      waitsFor: "device",
      dueMs: clock.rawMs() + DEVICE_WITHIN_MS,
    };
    attempts.set(task.id, looking);
    device.readFence(
      task.nodeID,
      heard(looking, (found) => looked(looking, found, { startedMs, openRequestUIDs }, epochFloor)),
    );
  }

  function looked(
    attempt: Attempt,
    found: FenceSlot,
    list: OpenRequestsReading,
    epochFloor: number,
  ): void {
    const { task } = attempt;
    const decision = decide(task, found, list, epochFloor);
    switch (decision.kind) {
      case "nothing-to-clear":
        finish(task, { state: "Done", reason: "" });
        return;
      case "wait":
        finish(task, { state: "Refused", reason: decision.detail });
        return;
      case "clear": {
        const { expected, record } = decision;
        device.replaceFence(
          expected,
          record,
          heard(attempt, (replaced) => finish(task, endOfReplacing(task.kind, record, replaced))),
        );
      }
    }
  }

  function decide(
    task: SlotTask,
    found: FenceSlot,
    list: OpenRequestsReading,
    epochFloor: number,
  ): ClearingDecision {
    const timing = contract();
    const writer = timing && {
      name,
      nodeID,
      targetNodeID: task.nodeID,
      epochFloor: Math.max(epochFloor, parts.sightings().epochs.get(task.nodeID) ?? 0),
      nonce: parts.nonce(),
      wallNs: clock.wallNs(),
      timing: deriveTiming(timing),
    };
    return decideSlotTask(task.kind, found, list, writer, clock.rawMs());
  }

  /** Counts a question to the device, and hears its answer while the attempt is the task's present one. */
  function heard<Reply>(
    { id, task }: Attempt,
    then: (reply: Reply) => void,
  ): (answer: DeviceAnswer<Reply>) => void {
    outstanding += 1;
    return (answer) => {
      outstanding -= 1;
      if (attempts.get(task.id)?.id !== id) {
        return;
      }
      if (answer.ok) {
        then(answer.reply);
      } else {
        finish(task, failed(answer.error));
      }
    };
  }

  function finish(task: SlotTask, { state, reason }: SlotTaskEnd): void {
    attempts.delete(task.id);
    log(
      state === "Done" ? "info" : "warn",
      `${task.kind} of fence slot ${task.nodeID} (${task.nodeName}): ${state}${reason && `: ${reason}`}`,
    );
    send({ type: "slot-task-done", id: task.id, nodeID: task.nodeID, state, reason });
  }

  return {
    receive(message) {
      switch (message.type) {
        case "slot-task":
          start(message);
          return;
        case "open-requests-read":
          listed(message);
          return;
      }
    },
    tick() {
      const nowMs = clock.rawMs();
      for (const { task, waitsFor, dueMs } of [...attempts.values()]) {
        if (nowMs >= dueMs) {
          finish(
            task,
            failed(
              waitsFor === "list"
                ? `no list of open requests within ${seconds(LIST_WITHIN_MS)}`
                : `the device has not answered within ${seconds(DEVICE_WITHIN_MS)}`,
            ),
          );
        }
      }
    },
  };
}

type ListRead = ToSlotTasks & { readonly type: "open-requests-read" };

function failed(reason: string): SlotTaskEnd {
  return { state: "Failed", reason };
}
