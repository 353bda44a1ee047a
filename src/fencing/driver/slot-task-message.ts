import type { SlotTaskEnd, SlotTaskKind } from "../slot-task.ts";

/** A fence slot that the leader wants cleared or repaired. */
export type SlotTask = {
  readonly id: string;
  readonly kind: SlotTaskKind;
  readonly nodeID: number;
  readonly nodeName: string;
};

/** What a driver of slot tasks asks of the cluster and tells it. */
export type FromSlotTasks =
  /** List the requests that may still want the fence message of a node. Answer: `open-requests-read`, or nothing. */
  | { readonly type: "ask-open-requests"; readonly id: number; readonly nodeName: string }
  /** The reason is why not; empty where it is done. */
  | ({
      readonly type: "slot-task-done";
      readonly id: string;
      readonly nodeID: number;
    } & SlotTaskEnd);

/** What it is told. */
export type ToSlotTasks =
  | ({ readonly type: "slot-task" } & SlotTask)
  | {
      readonly type: "open-requests-read";
      readonly id: number;
      readonly openRequestUIDs: readonly string[];
      /** The highest epoch any request for the node has recorded; 0 = none. */
      readonly epochFloor: number;
    };
