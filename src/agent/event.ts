import type { WatchdogInspection } from "./agent-config.ts";
import type { HeartbeatsReading, FencesReading } from "../observation/region-reading.ts";
import type { HeaderSlot } from "../protocol/device-header.ts";
import type { FenceSlot } from "../protocol/fence-record.ts";
import type { HeartbeatSlot } from "../protocol/heartbeat-record.ts";

/** What the shell tells the agent's core. Instants are on this host's unslewed clock, in ms. */
export type AgentEvent =
  /** Time passed; sent every `passIntervalMs` / 4 or so. */
  | { readonly type: "tick" }
  /** Somebody waits for a read of the device that begins from now on. */
  | { readonly type: "look-wanted" }
  | {
      readonly type: "pass-read";
      readonly pass: number;
      readonly header: HeaderSlot;
      readonly fence: FenceSlot;
      readonly heartbeat: HeartbeatSlot;
      /** In directory mode: the path still leads to the open files. */
      readonly samePath: boolean;
      /** Sampled after the read and before anything is written. */
      readonly uptimeMs: number;
      readonly wallNs: bigint;
    }
  | { readonly type: "heartbeat-written"; readonly pass: number }
  | { readonly type: "pass-failed"; readonly pass: number; readonly error: string }
  | { readonly type: "heartbeats-read"; readonly reading: HeartbeatsReading }
  | { readonly type: "fences-read"; readonly reading: FencesReading }
  | { readonly type: "regions-failed"; readonly error: string }
  /** The thread that does the I/O was replaced: what it had in flight may land at any time. */
  | { readonly type: "disk-worker-replaced" }
  | { readonly type: "first-read-kept" }
  | { readonly type: "first-read-failed"; readonly error: string }
  | {
      readonly type: "watchdog-opened";
      /** What the driver says it took; null where it does not say. */
      readonly reportedSeconds: number | null;
      /** WDIOF_* bits of WDIOC_GETSUPPORT; null where the driver does not say. */
      readonly options: number | null;
    }
  /** `notAfterMs` had passed, so nothing was opened. */
  | { readonly type: "watchdog-late" }
  | { readonly type: "watchdog-failed"; readonly error: string }
  /** The answer to `look-at-watchdog`. */
  | { readonly type: "watchdog-seen"; readonly watchdog: WatchdogInspection }
  /** The timeout that was asked for is set, read back, and petted once. */
  | { readonly type: "watchdog-shortened"; readonly reportedSeconds: number }
  /** `notAfterMs` had passed, the driver refused it, or a step after that failed. */
  | {
      readonly type: "watchdog-not-shortened";
      /** The driver refused this timeout and was left as it was: another may be asked for. */
      readonly refused: boolean;
      readonly error: string;
    }
  | { readonly type: "mark-kept" }
  | { readonly type: "mark-failed"; readonly error: string }
  | { readonly type: "acknowledged" }
  | { readonly type: "acknowledge-failed"; readonly error: string }
  /** The answer to `ask-vouch`: a consistent read of the API, begun after the own SBDNode was patched. */
  | {
      readonly type: "vouch-read";
      /** Of the question. */
      readonly id: number;
      /** Unconcluded SBDRemediations with our finalizer that name this node in any way. */
      readonly openRequests: number;
    }
  | { readonly type: "terminate" };
