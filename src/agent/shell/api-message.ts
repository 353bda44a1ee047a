import type { NodeReading, RequestReading } from "../../fencing/authority.ts";
import type { Evidence } from "../../fencing/evidence.ts";
import type { FencerReport } from "../../fencing/fencer-report.ts";

/**
 * What crosses between the core process and the API process (or whoever stands in for it), one JSON
 * object a line. The core process never waits for an answer: one that does not come leaves it with
 * what it has, and grants and vouches age.
 */
export type FromCore =
  | { readonly type: "status"; readonly status: AgentStatus }
  | { readonly type: "report"; readonly nodeName: string; readonly report: FencerReport }
  | { readonly type: "ask-request"; readonly id: number; readonly uid: string }
  | { readonly type: "ask-node"; readonly id: number; readonly nodeName: string }
  | { readonly type: "raise-taint"; readonly nodeName: string }
  | { readonly type: "declare"; readonly uid: string; readonly evidence: Evidence }
  /** Patch the own SBDNode, then list the open requests. */
  | { readonly type: "ask-vouch"; readonly id: number; readonly leaving: boolean };

export type ToCore =
  /** This agent is named to fence a node. */
  | {
      readonly type: "fence";
      readonly uid: string;
      readonly nodeName: string;
      readonly nodeID: number;
      readonly reason: number;
      readonly pausableNodes: "Accept" | "Refuse";
    }
  | { readonly type: "withdraw"; readonly uid: string }
  | { readonly type: "request-read"; readonly id: number; readonly reading: Answer<RequestReading> }
  | { readonly type: "node-read"; readonly id: number; readonly reading: Answer<NodeReading> }
  | { readonly type: "declared"; readonly uid: string }
  | {
      readonly type: "vouch-read";
      readonly id: number;
      readonly openRequests: number;
    };

/** The asker takes the times. */
export type Answer<Reading> = Omit<Reading, "startedMs" | "endedMs">;

/** What an agent says of itself. */
export type AgentStatus = {
  readonly nodeName: string;
  readonly nodeID: number;
  readonly bootID: string;
  readonly machineID: string;
  readonly deviceUUID: string | null;
  readonly life: "serving" | "leaving" | "latched" | "conflict" | "exited";
  readonly watchdog: "closed" | "opening" | "armed" | "unarmed" | "refused" | "released";
  readonly effectiveWatchdogMs: number | null;
  /** Null before the first. */
  readonly lastGoodPassAgeMs: number | null;
  readonly passLatencyMs: number | null;
  /** Why the last pass was not good; null where it was. */
  readonly trouble: string | null;
  readonly moving: readonly number[];
  readonly pets: number;
  readonly petErrors: number;
  readonly selfFenced: boolean;
};
