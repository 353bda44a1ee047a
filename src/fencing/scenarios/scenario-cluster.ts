import { SBD_MAX_NODES } from "../../protocol/message.ts";
import type { ManualConfirmation, NodeReading, RequestReading } from "../authority.ts";

/** What the API server would answer: one target Node, its SBDNodes, and the requests for it. */
export type ScenarioCluster = {
  /** False: no request grants anything. */
  grants: boolean;
  /** `status.fencing.agent`; null = whoever asks. */
  named: string | null;
  /** `status.fencing.epoch`. */
  epoch: number;
  readonly requests: Set<string>;
  /** The boot that each request is about; none for those that say nothing of it. */
  readonly abouts: Map<string, string>;
  readonly confirmations: Map<string, ManualConfirmation>;
  nodeUID: string | null;
  bootID: string;
  /** What the kubelet tells of its machine. */
  machineIDs: readonly string[];
  sbdNodes: readonly number[];
  /** Slots that no SBDNode holds; every other one is held. */
  free: readonly number[];
  leaving: readonly number[];
  /** The boot of which its SBDNode says that it runs unarmed. */
  unarmedBootID: string;
  /** The taint stands with effect NoExecute. */
  noExecute: boolean;
  /** The leader raises it once a message stands or an administrator has spoken. */
  raises: boolean;
  /** Proofs are recorded. */
  records: boolean;
};

export function createScenarioCluster(): ScenarioCluster {
  return {
    grants: true,
    named: null,
    epoch: 0,
    requests: new Set(),
    abouts: new Map(),
    confirmations: new Map(),
    nodeUID: "n1",
    bootID: "A",
    machineIDs: [],
    sbdNodes: [2],
    free: [],
    leaving: [],
    unarmedBootID: "",
    noExecute: false,
    raises: true,
    records: true,
  };
}

export function readRequest(
  cluster: ScenarioCluster,
  uid: string,
  fencer: string,
): Omit<RequestReading, "startedMs" | "endedMs"> {
  const named = cluster.named === null || cluster.named === fencer;
  const granted = cluster.grants && named && cluster.requests.has(uid);
  return {
    granted,
    detail: granted ? "" : "the request is gone, or names another fencer",
    epoch: cluster.epoch,
    confirmation: cluster.confirmations.get(uid) ?? null,
    nodeBootID: cluster.abouts.get(uid) ?? "",
  };
}

/** An administrator has spoken for an open request. */
export function isConfirmed({ confirmations, requests }: ScenarioCluster): boolean {
  return [...confirmations].some(([uid, word]) => word.requestUID === uid && requests.has(uid));
}

export function readNode(cluster: ScenarioCluster): Omit<NodeReading, "startedMs" | "endedMs"> {
  return {
    nodeUID: cluster.nodeUID,
    bootID: cluster.bootID,
    machineIDs: cluster.machineIDs,
    noExecute: cluster.noExecute,
    sbdNodes: cluster.sbdNodes.map((nodeID) => ({
      name: `c-${nodeID}`,
      nodeID,
      leaving: cluster.leaving.includes(nodeID),
      unarmedBootID: cluster.unarmedBootID,
    })),
    heldNodeIDs: EVERY_SLOT.filter((nodeID) => !cluster.free.includes(nodeID)),
  };
}

const EVERY_SLOT = Array.from({ length: SBD_MAX_NODES }, (_, index) => index + 1);
