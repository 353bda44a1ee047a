/** An event's reason: which object it is about, its type, and when it is told. */
export type EventEntry = {
  readonly about: "SBDConfig" | "SBDRemediation" | "Node";
  readonly type: "Normal" | "Warning";
  readonly text: string;
};

/**
 * Events of the operator. Beside these an SBDConfig gets a Warning, with the condition's reason and message,
 * whenever a condition of it but Ready becomes False.
 */
export const OPERATOR_EVENTS = {
  SBDConfigReconciled: { about: "SBDConfig", type: "Normal", text: "A new spec is in force." },
  DaemonSetManaged: {
    about: "SBDConfig",
    type: "Normal",
    text: "The agents' DaemonSet was made or changed.",
  },
  FencingInitiated: {
    about: "SBDRemediation",
    type: "Normal",
    text: "The request was accepted; the node is tainted.",
  },
  FencerNamed: {
    about: "SBDRemediation",
    type: "Normal",
    text: "An agent or fencer is to write the message, or another one in its place.",
  },
  MessageDurable: {
    about: "SBDRemediation",
    type: "Normal",
    text: "The message stands on the device: from now on time counts towards the proof.",
  },
  NodeFenced: { about: "SBDRemediation", type: "Normal", text: "The node is proven dead." },
  RemediationFinished: {
    about: "SBDRemediation",
    type: "Normal",
    text: "Its work is released.",
  },
  FencingFailed: {
    about: "SBDRemediation",
    type: "Warning",
    text: "No proof can come, or the message could not be written.",
  },
  RemediationStopped: {
    about: "SBDRemediation",
    type: "Normal",
    text: "NodeHealthCheck waits no longer.",
  },
} as const satisfies Readonly<Record<string, EventEntry>>;

/** Events of an agent about its own node. */
export const AGENT_EVENTS = {
  Armed: { about: "Node", type: "Normal", text: "The watchdog guards the node." },
  NotArmed: { about: "Node", type: "Warning", text: "It does not, and why." },
  StorageTrouble: {
    about: "Node",
    type: "Warning",
    text: "Passes over the device fail; at T the node resets, unless it may live by the API.",
  },
  StorageRecovered: { about: "Node", type: "Normal", text: "Passes are good again." },
  SelfFenceStarted: {
    about: "Node",
    type: "Warning",
    text: "The node obeys a fence message and resets itself.",
  },
  SlotConflict: {
    about: "Node",
    type: "Warning",
    text: "Another agent beats in its slot, so that its watchdog is not petted any more.",
  },
} as const satisfies Readonly<Record<string, EventEntry>>;

export type OperatorEventReason = keyof typeof OPERATOR_EVENTS;
export type AgentEventReason = keyof typeof AGENT_EVENTS;
