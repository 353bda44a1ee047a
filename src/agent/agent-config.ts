import type { WatchdogFacts } from "../timing/watchdog-effect.ts";
import type { AskedContract, DeviceOwner } from "../timing/device-agreement.ts";
import type { BareMessageKey, LatchMark, RebootMethod } from "./effect.ts";

/** What an agent knows before its first look at the device; all of it holds for this process. */
export type AgentConfig = {
  readonly nodeName: string;
  /** The own slot, 1..255. */
  readonly nodeID: number;
  readonly bootID: string;
  readonly machineID: string;
  /** The machine is virtual, or may be: another one with its ID may run beside it. */
  readonly virtual: boolean;
  /** 12 random hex digits; four more count the starts within the process. */
  readonly startSeed: string;
  /** What the administrator set, to be compared with the device header, which counts. */
  readonly asked: AskedContract;
  /** Whose device it must be; null outside of clusters: then T alone tells whether it is the one meant. */
  readonly owner: DeviceOwner | null;
  readonly detectOnly: boolean;
  readonly rebootMethod: RebootMethod;
  /** `/sys/module/watchdog/parameters/stop_on_reboot` is 0. */
  readonly watchdogSurvivesReboot: boolean;
  readonly acceptUnverifiedWatchdogs: boolean;
  readonly watchdog: WatchdogInspection;
  /** What /run remembers of this boot. */
  readonly memory: BootMemory;
};

/** The watchdog as sysfs shows it, without opening it. */
export type WatchdogInspection =
  | {
      readonly kind: "present";
      readonly path: string;
      readonly facts: WatchdogFacts;
      /** A predecessor or the firmware has started it: somebody must pet it. */
      readonly ticking: boolean;
    }
  | { readonly kind: "absent"; readonly path: string; readonly detail: string };

/** What earlier agent processes of this boot left in /run. */
export type BootMemory = {
  readonly mark: LatchMark | null;
  /** The bare messages that stood in the own slots at this boot's first read; null before it. */
  readonly firstRead: readonly BareMessageKey[] | null;
  /** The device that agents of this boot have lived by, if any. */
  readonly deviceUUID: string | null;
  /**
   * A write of an agent of this boot has neither succeeded nor is it known to be lost: it may land
   * over a later `leaving`.
   */
  readonly unconfirmedWrite: boolean;
  /** Agent processes in this boot that neither left in order nor had good passes for T. */
  readonly uncleanStarts: number;
};
