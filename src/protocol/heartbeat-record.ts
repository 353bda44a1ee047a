import type { ProtocolErrorCode } from "./error.ts";
import type { SBDFenceMessage, SBDHeartbeatMessage } from "./message.ts";

/** What an agent writes into its own heartbeat slot, once a pass. */
export type HeartbeatRecord = {
  /** The writer's slot, 1..255. */
  readonly nodeID: number;
  /** Wall clock at the write, Unix nanoseconds; for people, never judged by. */
  readonly timestampNs: bigint;
  /** Strictly greater in each record of one agent start. */
  readonly sequence: number;
  /** The kernel's boot ID, a lower-case UUID with dashes. */
  readonly bootID: string;
  /** DMI product UUID, else /etc/machine-id: 32 lower-case hex digits. */
  readonly machineID: string;
  /**
   * One uninterrupted sequence of writes: 16 lower-case hex digits, new with the process, with its
   * disk worker and after every write that was not seen to succeed.
   */
  readonly startID: string;
  /** Kubernetes node name, at most 253 bytes of UTF-8. */
  readonly nodeName: string;
  /** Time since boot with suspended time, unslewed; sampled before this write was begun. */
  readonly uptimeMs: number;
  /** T this agent lives by. */
  readonly timeoutMs: number;
  /** W this agent lives by. */
  readonly watchdogMs: number;
  /** The watchdog is open and would reset the machine within `watchdogMs` of its last pet. */
  readonly armed: boolean;
  /** This agent never fences its node. */
  readonly detectOnly: boolean;
  /** This agent is about to release the watchdog and exit. */
  readonly leaving: boolean;
  /** This boot is latched: it obeys the fence message of `acknowledgedEpoch`. */
  readonly fenced: boolean;
  /** Epoch of the fence message that this boot obeys; 0 = none. */
  readonly acknowledgedEpoch: number;
  /** Highest epoch read in the own fence slot, whichever boot it was addressed to; 0 = none. */
  readonly seenEpoch: number;
  /** Node IDs whose heartbeats this agent has seen move within T, ascending. */
  readonly moving: readonly number[];
  /** How long the last good pass took. */
  readonly passLatencyMs: number;
};

/** Everything a heartbeat slot can hold. */
export type HeartbeatSlot =
  | { readonly kind: "empty" }
  | { readonly kind: "heartbeat"; readonly record: HeartbeatRecord }
  /** A heartbeat without our extension, as Go agents write. */
  | { readonly kind: "bare-heartbeat"; readonly message: SBDHeartbeatMessage }
  /** A fence message in a heartbeat slot, as early Go fencers wrote. */
  | { readonly kind: "bare-fence"; readonly message: SBDFenceMessage }
  | { readonly kind: "unreadable"; readonly code: ProtocolErrorCode; readonly detail: string };
