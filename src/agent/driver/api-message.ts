import type { FromFencer, ToFencer } from "../../fencing/driver/fencer-message.ts";
import type { FromSlotTasks, ToSlotTasks } from "../../fencing/driver/slot-task-message.ts";
import type { DeviceContract, DeviceOwner } from "../../timing/device-agreement.ts";

/**
 * What crosses between the core process and the API process (or whoever stands in for it), one JSON
 * object a line. The core process never waits for an answer: one that does not come leaves it with
 * what it has, and grants and vouches age.
 */
export type FromCore =
  | { readonly type: "status"; readonly status: AgentStatus }
  /** Patch the own SBDNode, then list the open requests. */
  | {
      readonly type: "ask-vouch";
      readonly id: number;
      readonly leaving: boolean;
      readonly armed: boolean;
    }
  | FromFencer
  | FromSlotTasks;

export type ToCore =
  | ToFencer
  | {
      readonly type: "vouch-read";
      readonly id: number;
      readonly openRequests: number;
    }
  /** The slot that this node's SBDNode says it has. */
  | { readonly type: "slot"; readonly nodeID: number; readonly sbdNode: string }
  | ToSlotTasks;

/** What an agent says of itself. Ages and durations are in ms, on its unslewed clock. */
export type AgentStatus = {
  readonly nodeName: string;
  readonly nodeID: number;
  readonly bootID: string;
  readonly machineID: string;
  /** 16 hex digits: the running agent start. */
  readonly startID: string;
  readonly deviceUUID: string | null;
  /** The header of the device it lives by; null before it was read. */
  readonly header: (DeviceContract & DeviceOwner) | null;
  /** What the SBDConfig says otherwise; null where nothing differs. */
  readonly difference: string | null;
  /** Of the device's header; null before it was read. */
  readonly timing: {
    readonly timeoutMs: number;
    readonly watchdogMs: number;
    readonly msgwaitMs: number;
  } | null;
  readonly life: "serving" | "leaving" | "latched" | "conflict" | "exited";
  readonly detectOnly: boolean;
  readonly watchdog: "closed" | "opening" | "armed" | "unarmed" | "refused" | "released";
  readonly watchdogDevice: WatchdogStatus;
  readonly effectiveWatchdogMs: number | null;
  /** Null before the first. */
  readonly lastGoodPassAgeMs: number | null;
  readonly passLatencyMs: number | null;
  readonly passes: number;
  /** Why the last pass was not good; null where it was. */
  readonly trouble: string | null;
  readonly moving: readonly number[];
  readonly peers: readonly PeerStatus[];
  /** Slots that hold something else than the heartbeats of a running agent of ours. */
  readonly stillSlots: readonly StillSlot[];
  /** How long this process has been reading the slots; null before the first time. */
  readonly watchedForMs: number | null;
  /** Wall clock since which the own fence slot has lastingly been unreadable; null where it is not. */
  readonly fenceUnreadableSinceWallMs: number | null;
  /** Highest epoch read in the own fence slot; 0 = none. */
  readonly seenEpoch: number;
  readonly pets: number;
  readonly petErrors: number;
  /** Reads and writes of the device that failed in this process. */
  readonly ioErrors: number;
  readonly selfFenced: boolean;
};

export type WatchdogStatus = {
  readonly path: string;
  /** Null where it is absent. */
  readonly identity: string | null;
  readonly driver: string | null;
  readonly timeoutSeconds: number | null;
  readonly verified: boolean;
  /** Why it is not armed, and what to do; null where nothing is in the way. */
  readonly refusal: string | null;
};

/** Another agent that has been seen in its slot. */
export type PeerStatus = {
  readonly nodeID: number;
  readonly nodeName: string;
  readonly moving: boolean;
  /** Null where it was never seen to move. */
  readonly movedAgeMs: number | null;
};

export type StillSlot = {
  readonly nodeID: number;
  readonly content: "Heartbeat" | "GoHeartbeat" | "Unreadable";
  /** The boot that wrote it, where that can be read. */
  readonly bootID: string | null;
  /** Known of heartbeats of ours only: anything else counts as changed with each read. */
  readonly stillMs: number;
};
