import type { LogLevel } from "../program/log-level.ts";
import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";
import type { SBDFenceMessage } from "../protocol/message.ts";

/**
 * What the agent's core asks of its shell. The shell carries effects out in order and answers those
 * that say so with an event; a process may die between any two of them.
 */
export type AgentEffect =
  /** Read header, own fence slot and own heartbeat slot. Answer: `pass-read` or `pass-failed`. */
  | { readonly type: "read-pass"; readonly pass: number }
  /** Write, flush. Answer: `heartbeat-written` or `pass-failed`. */
  | { readonly type: "write-heartbeat"; readonly pass: number; readonly record: HeartbeatRecord }
  /** Read both regions. Answer: `heartbeats-read` and `fences-read`, or `regions-failed`. */
  | { readonly type: "read-regions" }
  /**
   * Keep for this boot which device it lives by, and which bare messages stood in its slots at its
   * first read. Answer: `first-read-kept` or `-failed`.
   */
  | {
      readonly type: "keep-first-read";
      readonly deviceUUID: string;
      readonly messages: readonly BareMessageKey[];
    }
  /** This process has shown that it can live: it is no unclean start any more. */
  | { readonly type: "forget-unclean-starts" }
  /**
   * Open the watchdog, set its timeout, read it back; nothing of it from `notAfterMs` on, for opening
   * pets. Answer: `watchdog-opened`, `-late` or `-failed`.
   */
  | {
      readonly type: "open-watchdog";
      readonly timeoutSeconds: number;
      readonly notAfterMs: number;
    }
  /** Look at the watchdog again without opening it. Answer: `watchdog-seen`. */
  | { readonly type: "look-at-watchdog" }
  /** Pet until the deadline, and write sysrq-b when it passes if `selfFence`. */
  | {
      readonly type: "start-petter";
      readonly periodMs: number;
      readonly deadlineMs: number;
      readonly selfFence: boolean;
    }
  | { readonly type: "push-deadline"; readonly deadlineMs: number }
  /** No pet and no push ever again in this process. */
  | { readonly type: "latch-petter" }
  /**
   * A latched agent's one exception: set this timeout, read back what the driver took, and pet once so
   * that the hardware takes it over; nothing of it from `notAfterMs` on. A refused timeout pets
   * nothing. Answer: `watchdog-shortened` or `watchdog-not-shortened`.
   */
  | {
      readonly type: "shorten-watchdog";
      readonly timeoutSeconds: number;
      readonly notAfterMs: number;
    }
  /** Note durably in the host's /run that this boot is condemned. Answer: `mark-kept` or `-failed`. */
  | { readonly type: "keep-mark"; readonly mark: LatchMark }
  /** Write the acknowledgement and flush. Answer: `acknowledged` or `acknowledge-failed`. */
  | { readonly type: "acknowledge"; readonly record: HeartbeatRecord }
  /** sysrq-b, or the host's own reboot where the kernel leaves the watchdog running. */
  | { readonly type: "reboot"; readonly method: RebootMethod }
  /** Stop the petter, then close with the magic character (a later pet would cancel it). */
  | { readonly type: "release-watchdog" }
  /** Stop the petter, then set the longest timeout: nowayout, a successor is to arrive in time. */
  | { readonly type: "stretch-watchdog" }
  /**
   * Patch the own SBDNode with what is said here, then list the open requests. Answer: `vouch-read`,
   * or none: whether and when one comes is no promise.
   */
  | {
      readonly type: "ask-vouch";
      readonly id: number;
      readonly leaving: boolean;
      readonly armed: boolean;
    }
  | { readonly type: "exit"; readonly code: number }
  | { readonly type: "log"; readonly level: LogLevel; readonly message: string };

export type RebootMethod = "panic" | "systemctl-reboot";

/** A message that names no boot is told apart by all that it has. */
export type BareMessageKey = string;

/** Why this boot is condemned; survives the process, not the boot. */
export type LatchMark = {
  readonly bootID: string;
  /** 0 for a message that has none. */
  readonly epoch: number;
  readonly reason: number;
  readonly fencer: string;
};

export function bareMessageKey({ header, targetNodeID, reason }: SBDFenceMessage): BareMessageKey {
  return [header.nodeID, header.timestamp, header.sequence, targetNodeID, reason].join("/");
}
