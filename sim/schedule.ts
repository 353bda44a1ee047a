import type { OnStorageLoss } from "../src/protocol/device-header.ts";
import type { DeviceContract } from "../src/timing/device-agreement.ts";
import type { Fault } from "./fault.ts";

/** One run of the simulator, whole: the same schedule gives the same trace, byte for byte. */
export type Schedule = {
  readonly seed: number;
  readonly nodes: number;
  /** T and W. */
  readonly timeoutMs: number;
  readonly watchdogMs: number;
  readonly onStorageLoss: OnStorageLoss;
  /** What the SBDConfig says of these instead, wrongly: the device header counts. */
  readonly misconfigured: Partial<DeviceContract>;
  readonly pausableNodes: "Accept" | "Refuse";
  /** Nodes take no pods before they are armed in their boot. */
  readonly startupTaint: boolean;
  /** How far apart agents start passes: p, or coarser to see more hours in as much CPU time. */
  readonly passMs: number;
  /** Both operator processes believe that they lead. */
  readonly twoLeaders: boolean;
  /** Node hardware: what the seed gives, the same with watchdogs that round their timeout up, or all alike. */
  readonly hardware: "varied" | "coarse" | "plain";
  /** Until here faults strike. */
  readonly stormMs: number;
  /** After it nothing strikes any more, and everything must come to an end. */
  readonly calmMs: number;
  /** What must hold beside safety: see `Invariants`. */
  readonly promise: SchedulePromise;
  readonly faults: readonly Fault[];
};

/**
 * - `gentle`  no fault exceeds what a node tolerates, so no node may die (L1)
 * - `lone`    one fault: a node it takes away must be proven dead in bounded time (L2)
 * - `rough`   any faults together: safety, and every request and finalizer comes to an end
 */
export type SchedulePromise = "gentle" | "lone" | "rough";
