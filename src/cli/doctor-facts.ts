import type { WatchdogInspection } from "../platform/watchdog-inspection.ts";
import type { AskedContract, DeviceOwner } from "../timing/device-agreement.ts";
import type { DeviceSurvey } from "./device-survey.ts";

/** All that `sbdctl doctor` looked at. `null` = it could not be read, or is not there. */
export type DoctorFacts = {
  readonly wallMs: number;
  readonly machine: {
    readonly bootIDFault: string | null;
    readonly machineIDFault: string | null;
    readonly isVirtual: boolean;
  };
  readonly watchdogPath: string;
  /** The one that the path leads to; a sentence where there is none. */
  readonly watchdog: WatchdogInspection | string;
  /** Settings of systemd's manager about watchdogs that are in force, with the file of each. */
  readonly systemd: readonly SystemdSetting[];
  readonly sysrqMask: number | null;
  readonly sysrqTriggerWritable: boolean;
  readonly clockSource: string | null;
  /** /proc/sys/kernel/sched_rt_runtime_us; -1 is no limit. */
  readonly realTimeRuntimeUs: number | null;
  /** The agent that runs here; null where none is seen. */
  readonly agent: AgentFacts | null;
  readonly device: DeviceFacts;
  readonly asked: AskedContract;
  readonly owner: DeviceOwner | null;
};

export type SystemdSetting = {
  readonly name: string;
  readonly value: string;
  readonly file: string;
};

export type AgentFacts = {
  readonly pid: number;
  /** Threads in SCHED_FIFO. */
  readonly fifoThreads: number;
  readonly oomScoreAdjustment: number | null;
  /** `cpu.max` of its cgroup and of those above; without those that set no limit. */
  readonly cpuLimits: readonly CpuLimit[];
};

export type CpuLimit = {
  readonly cgroup: string;
  readonly quotaUs: number;
  readonly periodUs: number;
};

export type DeviceFacts =
  /** Nobody named one. */
  | { readonly kind: "none" }
  | { readonly kind: "failed"; readonly path: string; readonly message: string }
  | {
      readonly kind: "read";
      readonly path: string;
      readonly survey: DeviceSurvey;
      /** How long the reading of the whole device took. */
      readonly readMs: number;
      readonly storage: StorageFacts;
    };

/** How the kernel reaches the device. */
export type StorageFacts = {
  /** Of the block device, or of the filesystem's mount. */
  readonly name: string;
  readonly paths: readonly string[];
  /** How long it takes until I/O of a path that is lost is failed over or given up, setting by setting. */
  readonly delays: readonly StorageDelay[];
};

export type StorageDelay = {
  /** Of the path, or of the mount. */
  readonly of: string;
  readonly setting: string;
  readonly seconds: number;
};
