/** A condition type: what it says, and its reasons with what each means. */
export type ConditionEntry = {
  readonly text: string;
  readonly reasons: Readonly<Record<string, string>>;
};

/** Conditions of an SBDConfig. `Ready` may also have any reason of a False StorageReady or DeviceReady. */
export const CONFIG_CONDITIONS = {
  Ready: {
    text: "Every node that it covers can be fenced.",
    reasons: {
      AllNodesArmed: "True: each covered node has an armed agent.",
      NodesNotArmed: "False: the message names the nodes, each with its reason.",
      NodesOfOtherConfig: "False: nodes that it selects belong to an older SBDConfig.",
      NoFencer: "False: with fencerPlacement Operator no fencer renews its Lease.",
      InvalidTiming: "False: T and W of the spec break the timing contract.",
      Removing: "False: it is deleted, and the message says what it waits for.",
    },
  },
  StorageReady: {
    text: "Its PersistentVolumeClaim is one through which every node sees one device.",
    reasons: {
      ClaimBound: "True.",
      ClaimNotFound: "False: there is no such claim in the operator's namespace.",
      ClaimDeleted: "False: the claim is being deleted.",
      ClaimNotBound: "False: no volume is bound to it yet.",
      ClaimLost: "False: its volume is gone.",
      ClaimShared: "False: an older SBDConfig uses the same claim.",
      WrongAccessMode: "False: the claim is not ReadWriteMany.",
      WrongVolumeMode: "False: a filesystem that one node at a time could mount.",
    },
  },
  DeviceReady: {
    text: "The device behind the claim is initialised for this SBDConfig.",
    reasons: {
      DeviceInitialised: "True: its header is this SBDConfig's.",
      DeviceNotLookedAt: "Unknown: the Job that looks at it has not ended.",
      DeviceRefused: "False: it holds something that is not written over; the message says what.",
    },
  },
  ContractAgrees: {
    text: "The device header says what the spec asks for; the header counts either way.",
    reasons: {
      AsInTheDeviceHeader: "True.",
      DeviceHeaderDiffers: "False: the message has the differences.",
    },
  },
  MachineIDsUnique: {
    text: "No two nodes tell the machine ID of one machine.",
    reasons: {
      NoClonedMachines: "True.",
      ClonedMachines:
        "False: the message names them; nothing may be proven of either by a later boot.",
    },
  },
  KubernetesSupported: {
    text: "The API server is new enough.",
    reasons: {
      SupportedKubernetes: "True.",
      KubernetesTooOld: "False: what the operator relies on is not there.",
      KubernetesVersionUnknown: "Unknown: the server does not tell its version.",
    },
  },
} as const satisfies Readonly<Record<string, ConditionEntry>>;

export type ConfigConditionType = keyof typeof CONFIG_CONDITIONS;

/** Conditions of an SBDRemediation. NodeHealthCheck reads `Succeeded` alone. */
export const REMEDIATION_CONDITIONS = {
  Processing: {
    text: "The operator works on it.",
    reasons: {
      RemediationStarted: "True: it was accepted.",
      RemediationFinishedSuccessfully: "False: the work is released.",
      FencingFailed: "False.",
      RemediationTimeoutByNHC: "False: NodeHealthCheck waits no longer.",
      RemediationSkippedNodeNotFound: "False: the Node is gone.",
    },
  },
  FencingSucceeded: {
    text: "The node is proven dead.",
    reasons: {
      RemediationStarted: "Unknown: no message stands yet.",
      ProofPending: "Unknown: the message stands, and the evidence is awaited.",
      FencingCompleted: "True.",
      FencingFailed: "False: the message says why no proof can come.",
      RemediationTimeoutByNHC: "False: there was no proof in time.",
    },
  },
  Succeeded: {
    text: "The node is dead and its work may run elsewhere. False is final for NodeHealthCheck.",
    reasons: {
      RemediationStarted: "Unknown.",
      RemediationFinishedSuccessfully: "True.",
      FencingFailed: "False.",
      RemediationTimeoutByNHC: "False.",
      RemediationSkippedNodeNotFound: "False.",
    },
  },
  Ready: {
    text: "It is over, one way or the other.",
    reasons: { Succeeded: "True.", Failed: "True: it was not, and Succeeded says why." },
  },
} as const satisfies Readonly<Record<string, ConditionEntry>>;

export type RemediationConditionType = keyof typeof REMEDIATION_CONDITIONS;

/** The condition that the operator keeps on Nodes, for NodeHealthCheck to watch. */
export const NODE_CONDITIONS = {
  SBDStorageUnhealthy: {
    text: "The node's heartbeat on the device does not move.",
    reasons: {
      HeartbeatTimeout: "True: no other agent sees it move.",
      HeartbeatMoving: "False: its agent has good passes, and others see them.",
    },
  },
} as const satisfies Readonly<Record<string, ConditionEntry>>;

type ReasonOf<Table extends Readonly<Record<string, ConditionEntry>>> = {
  [Type in keyof Table]: keyof Table[Type]["reasons"];
}[keyof Table];

/** Reasons of an SBDConfig's conditions, and of the events that tell when one becomes False. */
export type JudgementReason = ReasonOf<typeof CONFIG_CONDITIONS>;
export type RemediationReason = ReasonOf<typeof REMEDIATION_CONDITIONS>;
export type NodeConditionReason = ReasonOf<typeof NODE_CONDITIONS>;
