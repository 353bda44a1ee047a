import type { NodeReading, RequestReading } from "../authority.ts";
import type { Evidence } from "../evidence.ts";
import type { FencerReport } from "../fencer-report.ts";
import type { ProofRecord } from "../proof-record.ts";

/** What a fencer asks of the cluster and tells it. */
export type FromFencer =
  | { readonly type: "report"; readonly nodeName: string; readonly report: FencerReport }
  /** Answer: `request-read` of that ID, or nothing. */
  | { readonly type: "ask-request"; readonly id: number; readonly uid: string }
  /** Answer: `node-read` of that ID, or nothing. */
  | { readonly type: "ask-node"; readonly id: number; readonly nodeName: string }
  /** Answer: `declared`, or nothing. */
  | {
      readonly type: "declare";
      readonly uid: string;
      readonly evidence: Evidence;
      readonly record: ProofRecord;
    };

/** What it is told. */
export type ToFencer =
  | FenceOrder
  | { readonly type: "withdraw"; readonly uid: string }
  | { readonly type: "declared"; readonly uid: string }
  | FencerAnswer;

/** This fencer is named to fence a node. */
export type FenceOrder = {
  readonly type: "fence";
  readonly uid: string;
  readonly nodeName: string;
  readonly nodeID: number;
  readonly reason: number;
  readonly pausableNodes: "Accept" | "Refuse";
};

export type FencerAnswer =
  | { readonly type: "request-read"; readonly id: number; readonly reading: Answer<RequestReading> }
  | { readonly type: "node-read"; readonly id: number; readonly reading: Answer<NodeReading> };

/** The asker takes the times. */
export type Answer<Reading> = Omit<Reading, "startedMs" | "endedMs">;
