/** What proves a death. A wrong one corrupts data, so there are four and no more. */
export type Evidence =
  | {
      readonly kind: "Rebooted";
      /** `a`: after its own acknowledgement. `b`: booted provably after the message was durable. */
      readonly rule: "a" | "b";
      readonly bootID: string;
      readonly laterBootID: string;
      readonly detail: string;
    }
  | { readonly kind: "Acknowledged"; readonly bootID: string; readonly detail: string }
  | { readonly kind: "Bounded"; readonly bootID: string; readonly detail: string }
  | {
      readonly kind: "ManuallyConfirmed";
      readonly bootID: string;
      readonly by: string;
      readonly at: string;
      readonly detail: string;
    };

/** What still stands between a request and its proof, in words for a condition's message. */
export type Missing = { readonly code: MissingCode; readonly detail: string };

/**
 * - `NO_MESSAGE`       no message stands, and no administrator has spoken
 * - `NO_AUTHORITY`     nobody answers for the cluster, so time alone proves nothing
 * - `PAUSABLE`         the nodes may be paused, so time alone proves nothing
 * - `MSGWAIT`          M has not passed
 * - `REREAD`           the slots or the Node were not read again after M
 * - `MESSAGE`          the fence slot does not hold the message any more
 * - `SLOT_UNREADABLE`  the target's slot cannot be judged
 * - `OTHER_BOOT`       another boot or machine has beaten in the slot
 * - `OTHER_SLOT`       another slot holds this node or boot
 * - `NOT_ARMED`        the last record is not an armed, staying agent's
 * - `LATE_MOVEMENT`    the target moved later than a condemned node can live
 * - `NO_WITNESS`       nothing shows that the target looked at the device this fencer looks at
 * - `NODE_UNKNOWN`     the Node was not read, or is another one than at the start
 * - `NODE_BOOT`        the kubelet has told another boot, or another machine's
 * - `SBDNODE`          not exactly one SBDNode, or it is leaving
 * - `TAINT`            the NoExecute taint has not stood for five seconds
 * - `NO_ACKNOWLEDGEMENT`, `ACKNOWLEDGED_UNARMED`, `ACKNOWLEDGED_WAIT`, `NO_LATER_BOOT`,
 *   `TWO_MACHINES`     what the other rows lack
 */
export type MissingCode =
  | "NO_MESSAGE"
  | "NO_AUTHORITY"
  | "PAUSABLE"
  | "MSGWAIT"
  | "REREAD"
  | "MESSAGE"
  | "SLOT_UNREADABLE"
  | "OTHER_BOOT"
  | "OTHER_SLOT"
  | "NOT_ARMED"
  | "LATE_MOVEMENT"
  | "NO_WITNESS"
  | "NODE_UNKNOWN"
  | "NODE_BOOT"
  | "SBDNODE"
  | "TAINT"
  | "NO_ACKNOWLEDGEMENT"
  | "ACKNOWLEDGED_UNARMED"
  | "ACKNOWLEDGED_WAIT"
  | "NO_LATER_BOOT"
  | "TWO_MACHINES";

/** Either a proof or what is missing to one. */
export type Verdict =
  | { readonly kind: "proven"; readonly evidence: Evidence }
  | { readonly kind: "missing"; readonly missing: readonly Missing[] };

/** One thing that is missing to a proof. */
export type Lack = readonly [MissingCode, string];

export function missing(code: MissingCode, detail: string): Verdict {
  return wanting([[code, detail]]);
}

export function wanting(lacks: readonly Lack[]): Verdict {
  return {
    kind: "missing",
    missing: lacks.map(([code, detail]): Missing => ({ code, detail })),
  };
}
