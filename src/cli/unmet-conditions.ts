import type { MissingCode } from "../fencing/evidence.ts";

/** The rows of the evidence table, as an administrator meets them. */
export const EVIDENCE_ROWS = ["Rebooted", "Acknowledged", "Bounded", "ManuallyConfirmed"] as const;
export type EvidenceRow = (typeof EVIDENCE_ROWS)[number];

export type UnmetCondition = {
  readonly rows: readonly EvidenceRow[];
  /** When it can be met at the earliest. */
  readonly earliest: "bound" | "acknowledged-wait" | "taint" | "any-moment" | "by-hand" | "never";
  /** Which reading it rests on. */
  readonly reading: "device" | "Node" | "SBDConfig" | "request";
  /** What an administrator can do if it stays. */
  readonly remedy: string;
};

const ALL = EVIDENCE_ROWS;
const TIMED = ["Acknowledged", "Bounded"] as const;
const POWER_OFF = "Power the node off, then 'sbdctl confirm-off NODE'.";

/** Everything that a fencer may say is missing. */
export const UNMET_CONDITIONS: Readonly<Record<MissingCode, UnmetCondition>> = {
  NO_MESSAGE: {
    rows: ALL,
    earliest: "any-moment",
    reading: "device",
    remedy: "See whether the named fencer runs and can write the device.",
  },
  NO_AUTHORITY: {
    rows: TIMED,
    earliest: "never",
    reading: "request",
    remedy: "Fence through an SBDRemediation: without a cluster time proves nothing.",
  },
  PAUSABLE: { rows: TIMED, earliest: "never", reading: "SBDConfig", remedy: POWER_OFF },
  MSGWAIT: { rows: ["Bounded"], earliest: "bound", reading: "device", remedy: "Wait." },
  REREAD: {
    rows: ["Bounded", "Rebooted", "Acknowledged"],
    earliest: "bound",
    reading: "device",
    remedy: "If it stays, see whether the fencer still reads the device and the API server.",
  },
  MESSAGE: {
    rows: ["Bounded"],
    earliest: "any-moment",
    reading: "device",
    remedy:
      "The fencer writes it again, and the wait starts anew; find out who overwrites the slot.",
  },
  SLOT_UNREADABLE: {
    rows: ["Bounded"],
    earliest: "any-moment",
    reading: "device",
    remedy: `Bring the node back, or: ${POWER_OFF}`,
  },
  OTHER_BOOT: {
    rows: ["Bounded", "ManuallyConfirmed"],
    earliest: "any-moment",
    reading: "device",
    remedy: `The later boot proves it when it beats on. Else: ${POWER_OFF}`,
  },
  OTHER_SLOT: {
    rows: ["Bounded"],
    earliest: "by-hand",
    reading: "device",
    remedy:
      "Wait for M: a slot that nobody holds and that stands still counts no more. If it stays, see " +
      "'kubectl get sbdnodes': only one may name the node. If something beats there, power that machine off.",
  },
  NOT_ARMED: {
    rows: ["Bounded"],
    earliest: "by-hand",
    reading: "device",
    remedy: `Nothing kills an unarmed node. ${POWER_OFF}`,
  },
  LATE_MOVEMENT: {
    rows: ["Bounded"],
    earliest: "any-moment",
    reading: "device",
    remedy: "The message is written anew. If it repeats, its watchdog does not fire: power it off.",
  },
  NO_WITNESS: {
    rows: ["Bounded"],
    earliest: "by-hand",
    reading: "device",
    remedy: `With one agent left nothing shows that both see one device. ${POWER_OFF}`,
  },
  NODE_UNKNOWN: {
    rows: ["Rebooted", "Acknowledged", "Bounded"],
    earliest: "any-moment",
    reading: "Node",
    remedy:
      "If the Node was deleted, delete the request; else see whether the fencer reaches the API.",
  },
  NODE_BOOT: {
    rows: ["Rebooted", "Acknowledged", "Bounded", "ManuallyConfirmed"],
    earliest: "any-moment",
    reading: "Node",
    remedy: "Another machine or boot is the Node now: power the one in the slot off.",
  },
  SBDNODE: {
    rows: ["Bounded"],
    earliest: "by-hand",
    reading: "Node",
    remedy: "See 'kubectl get sbdnodes': one, armed and not leaving, must name the node.",
  },
  TAINT: {
    rows: ["Rebooted", "Acknowledged", "Bounded", "ManuallyConfirmed"],
    earliest: "taint",
    reading: "Node",
    remedy: "If it stays, see whether the operator runs, and who takes its taint away.",
  },
  NO_ACKNOWLEDGEMENT: {
    rows: ["Acknowledged"],
    earliest: "any-moment",
    reading: "device",
    remedy: "It comes only from a node that still reads the device.",
  },
  ACKNOWLEDGED_UNARMED: {
    rows: ["Acknowledged"],
    earliest: "never",
    reading: "device",
    remedy: POWER_OFF,
  },
  ACKNOWLEDGED_WAIT: {
    rows: ["Acknowledged"],
    earliest: "acknowledged-wait",
    reading: "device",
    remedy: "Wait.",
  },
  NO_LATER_BOOT: {
    rows: ["Rebooted"],
    earliest: "any-moment",
    reading: "device",
    remedy: "Boot the node; its agent's heartbeat proves that the old boot is gone.",
  },
  TWO_MACHINES: {
    rows: ["Rebooted", "Acknowledged", "Bounded"],
    earliest: "by-hand",
    reading: "device",
    remedy: "Two machines share the name: power one off.",
  },
};
