import type { Action } from "../action.ts";
import type { OperatorPlace } from "../config.ts";
import { NO_MEMORY, type OperatorMemory } from "../memory.ts";
import { reconcile } from "../operator.ts";
import type { Snapshot } from "../snapshot.ts";
import type { ApiModel, Outcome } from "./api-model.ts";

export const PLACE: OperatorPlace = {
  namespace: "sbd-system",
  clusterUID: "cluster-1",
  agentImage: "sbd-agent:test",
};

export type Written = { readonly action: Action; readonly outcome: Outcome };
export type OnWrite = (action: Action, decidedOn: Snapshot) => void;

/** One leader: decides on what it has read, which may be old, and writes as the operator's loop does. */
export class Leader {
  readonly #api: ApiModel;
  readonly #onWrite: OnWrite;
  #memory: OperatorMemory = NO_MEMORY;

  constructor(api: ApiModel, onWrite: OnWrite = () => undefined) {
    this.#api = api;
    this.#onWrite = onWrite;
  }

  /** What it wants on a snapshot; it remembers having looked. */
  decide(snapshot: Snapshot, nowMs: number): readonly Action[] {
    const moment = { nowMs, wall: wallAt(nowMs) };
    const { actions, memory } = reconcile(snapshot, this.#memory, moment, PLACE);
    this.#memory = memory;
    return actions;
  }

  /** One write an object and round, as a second would be on a version that is no more. */
  write(actions: readonly Action[], decidedOn: Snapshot): readonly Written[] {
    const touched = new Set<string>();
    return actions.flatMap((action): Written[] => {
      if ("target" in action) {
        if (touched.has(action.target.uid)) {
          return [];
        }
        touched.add(action.target.uid);
      }
      const outcome = this.#api.apply(action);
      if (outcome === "done") {
        this.#onWrite(action, decidedOn);
      }
      return [{ action, outcome }];
    });
  }

  forget(): void {
    this.#memory = NO_MEMORY;
  }
}

/** The wall clock of all tests: 2000-01-01 at zero. */
export function wallAt(nowMs: number): string {
  return new Date(Date.UTC(2000, 0, 1) + nowMs).toISOString();
}
