import type { InvariantCode } from "../invariants.ts";

export type TrialResult = {
  readonly name: string;
  /** The invariant that broke; null = none did. */
  readonly code: InvariantCode | null;
  /** How many schedules it took, or were run in vain. */
  readonly schedules: number;
  readonly detail: string;
};
