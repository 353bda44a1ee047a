import type { ScheduleWishes } from "../generate-schedule.ts";

/** One plausible error of the protocol, as a patch of the source that runs. */
export type Mutant = {
  readonly name: string;
  /** What somebody might have thought, and what is wrong with it. */
  readonly says: string;
  readonly patches: readonly Patch[];
  /** Which schedules show it soon: faults to make frequent, and the like. Empty = any. */
  readonly hint: ScheduleWishes;
};

/** `find` must occur exactly once in the file, else the mutant is out of date and says so. */
export type Patch = {
  /** Relative to the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
};
