import type { Action } from "./action.ts";
import type { OperatorMemory } from "./memory.ts";

/** What a reconcile wants, and what the leader is to remember. */
export type ReconcileStep = {
  readonly actions: readonly Action[];
  readonly memory: OperatorMemory;
};
