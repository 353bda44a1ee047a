import type { ApiStore } from "./api-store.ts";
import type { Coverage } from "./coverage.ts";
import type { ArrayFaults } from "./disk-path.ts";
import type { Invariants } from "./invariants.ts";
import type { Machine } from "./machine.ts";
import type { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";
import type { SharedDevice } from "./shared-device.ts";
import type { Timeline } from "./timeline.ts";
import type { Workloads } from "./workloads.ts";

/** All that one run consists of; each part knows the others through this. */
export type World = {
  readonly schedule: Schedule;
  readonly timeline: Timeline;
  readonly device: SharedDevice;
  readonly array: ArrayFaults;
  readonly api: ApiStore;
  readonly workloads: Workloads;
  readonly invariants: Invariants;
  readonly coverage: Coverage;
  /** Every machine that there ever was; those of one node share its name. */
  readonly machines: Machine[];
  /** A stream of chance of its own for each part of the world. */
  random(stream: string): Random;
  /** One line of the trace; null where nobody reads it. */
  readonly say: ((line: string) => void) | null;
};

/** The wall clock at the start of every run, Unix ms; nothing judges by it. */
export const WALL_START_MS = 1_700_000_000_000;

/** RFC 3339. */
export function wallAt(nowMs: number): string {
  return new Date(WALL_START_MS + Math.round(nowMs)).toISOString();
}
