import type { AgentEventReason } from "../../api/event-table.ts";
import type { EventType } from "../../kube/event-recorder.ts";
import type { AgentStatus } from "../driver/api-message.ts";

/** Something about the own node that its administrator wants to know. */
export type NodeEvent = {
  readonly type: EventType;
  readonly reason: AgentEventReason;
  readonly message: string;
};

/** What has come to be from one status to the next; `before` is null for the first of a process. */
export function eventsBetween(before: AgentStatus | null, now: AgentStatus): NodeEvent[] {
  return [...lifeEvents(before, now), ...storageEvents(before, now), ...armingEvents(before, now)];
}

function lifeEvents(before: AgentStatus | null, now: AgentStatus): NodeEvent[] {
  if (now.life === before?.life) return [];
  if (now.life === "latched") {
    const message = "this node obeys a fence message and resets itself";
    return [{ type: "Warning", reason: "SelfFenceStarted", message }];
  }
  if (now.life === "conflict") {
    const message = `another agent beats in slot ${now.nodeID}, so this node's watchdog is not petted any more: ${now.trouble ?? ""}`;
    return [{ type: "Warning", reason: "SlotConflict", message }];
  }
  return [];
}

function storageEvents(before: AgentStatus | null, now: AgentStatus): NodeEvent[] {
  if (now.life !== "serving") return [];
  const hadTrouble = before?.trouble != null;
  if (now.trouble !== null && !hadTrouble) {
    return [{ type: "Warning", reason: "StorageTrouble", message: now.trouble }];
  }
  return now.trouble === null && hadTrouble
    ? [{ type: "Normal", reason: "StorageRecovered", message: "the shared device answers again" }]
    : [];
}

function armingEvents(before: AgentStatus | null, now: AgentStatus): NodeEvent[] {
  const reason = whyNotArmed(now);
  if (reason !== null) {
    return reason === (before === null ? null : whyNotArmed(before))
      ? []
      : [{ type: "Warning", reason: "NotArmed", message: reason }];
  }
  return now.watchdog === "armed" && before !== null && before.watchdog !== "armed"
    ? [
        {
          type: "Normal",
          reason: "Armed",
          message: `${now.watchdogDevice.identity ?? "the watchdog"} guards this node`,
        },
      ]
    : [];
}

/** Null also while an agent has not come so far yet. */
function whyNotArmed({ watchdog, watchdogDevice, detectOnly }: AgentStatus): string | null {
  if (watchdog !== "refused" && watchdog !== "unarmed") return null;
  return (
    watchdogDevice.refusal ??
    (detectOnly
      ? "detectOnly is set: this node is never armed and cannot be fenced"
      : "the watchdog cannot back the timing contract; see the agent's log")
  );
}
