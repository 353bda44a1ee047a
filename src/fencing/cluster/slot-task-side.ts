import { openRequestsFor } from "../../api/request-state.ts";
import type { SBDNode } from "../../api/sbd-node.ts";
import { SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import type { ClusterClock } from "../../kube/cluster-clock.ts";
import type { KubePort } from "../../kube/kube-port.ts";
import { resourceTypeOf } from "../../kube/resource-type.ts";
import type { TroubleLog } from "../../kube/trouble-log.ts";
import type { FromSlotTasks, ToSlotTasks } from "../driver/slot-task-message.ts";
import { openSlotTasks } from "./slot-task-results.ts";

export type SlotTaskDone = FromSlotTasks & { readonly type: "slot-task-done" };

export type SlotTaskSideParts = {
  readonly kube: KubePort;
  readonly clock: ClusterClock;
  readonly timeoutMs: () => number;
  readonly nodeName: string;
  /** As the cache has them. */
  readonly sbdNodes: () => readonly SBDNode[];
  /** The SBDNode that this agent reports in; null where none is known. */
  readonly ownName: () => string | null;
  readonly send: (message: ToSlotTasks) => void;
  /** Writes a result into the own SBDNode. */
  readonly record: (done: SlotTaskDone) => void;
  readonly troubles: Pick<TroubleLog, "note">;
};

/** What slot tasks want of Kubernetes: to be handed over, a list of open requests, a place for results. */
export type SlotTaskSide = {
  /** The core process is there, perhaps another one: it knows nothing yet. */
  connected(): void;
  /** Hands over what the cache shows; called when that changes, and about once a second. */
  review(): void;
  receive(message: FromSlotTasks): void;
};

const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);
const TASK_AGAIN_AFTER_MS = 10_000;

export function createSlotTaskSide(parts: SlotTaskSideParts): SlotTaskSide {
  const { kube, clock, nodeName, send, troubles } = parts;
  const sentMs = new Map<string, number>();

  function review(): void {
    const nowMs = clock.monoMs();
    for (const task of openSlotTasks(parts.sbdNodes(), nodeName, parts.ownName())) {
      if (nowMs - (sentMs.get(task.id) ?? -Infinity) >= TASK_AGAIN_AFTER_MS) {
        sentMs.set(task.id, nowMs);
        send({ type: "slot-task", ...task });
      }
    }
    for (const [id, atMs] of sentMs) {
      if (nowMs - atMs >= 2 * TASK_AGAIN_AFTER_MS) sentMs.delete(id);
    }
  }

  function answerOpenRequests(id: number, target: string): void {
    kube.list(SBD_REMEDIATIONS, { timeoutMs: parts.timeoutMs() }, (listed) => {
      troubles.note(`list of the open requests of ${target}`, listed.ok ? null : listed.error);
      if (listed.ok) {
        send({ type: "open-requests-read", id, ...openRequestsFor(listed.reply.items, target) });
      }
    });
  }

  return {
    connected() {
      sentMs.clear();
      review();
    },
    review,
    receive(message) {
      switch (message.type) {
        case "ask-open-requests":
          answerOpenRequests(message.id, message.nodeName);
          return;
        case "slot-task-done":
          parts.record(message);
          return;
      }
    },
  };
}
