/**
 * What fencing asks of the cluster: one small interface, answered by the API process, by whoever
 * stands in for it, or by nobody (`sbdctl device fence`). Instants are on the asker's unslewed clock
 * and taken on the asker's side: `startedMs` before the question left, `endedMs` after the answer
 * came, so that a slow answer only makes it older.
 */

/** A consistent GET of one SBDRemediation. */
export type RequestReading = {
  readonly startedMs: number;
  readonly endedMs: number;
  /** The request of that UID is there, not deleting, carries our finalizer and names us. */
  readonly granted: boolean;
  /** Why not, for people; empty where granted. */
  readonly detail: string;
  /** `status.fencing.epoch`; 0 = none yet. */
  readonly epoch: number;
  readonly confirmation: ManualConfirmation | null;
  /** `status.nodeBootID`: the boot that it is about; empty where it names none. */
  readonly nodeBootID: string;
};

/** An administrator's word that one boot is off, for one request. */
export type ManualConfirmation = {
  readonly requestUID: string;
  readonly bootID: string;
  readonly by: string;
  /** RFC 3339. */
  readonly at: string;
};

/** Consistent reads of the Node and of all SBDNodes. */
export type NodeReading = {
  readonly startedMs: number;
  readonly endedMs: number;
  /** Null: there is no such Node any more. */
  readonly nodeUID: string | null;
  /** `status.nodeInfo.bootID`; empty where the kubelet has told none. */
  readonly bootID: string;
  /**
   * `status.nodeInfo.systemUUID` and `machineID`, lower-case hex without dashes: what the machine ID in
   * a heartbeat is made of. Empty where the kubelet has told none.
   */
  readonly machineIDs: readonly string[];
  /** The remediation taint stands with effect NoExecute. */
  readonly noExecute: boolean;
  /** Those that name it. */
  readonly sbdNodes: readonly SBDNodeReading[];
  /** The slots that any SBDNode of the same SBDConfigs holds, also one that is being deleted. */
  readonly heldNodeIDs: readonly number[];
};

export type SBDNodeReading = {
  readonly name: string;
  readonly nodeID: number;
  readonly leaving: boolean;
  /** The boot of which its agent has said there that it runs unarmed; empty where none. */
  readonly unarmedBootID: string;
};

/** A consistent LIST of the open requests for one node. */
export type OpenRequestsReading = {
  readonly startedMs: number;
  readonly openRequestUIDs: readonly string[];
};
