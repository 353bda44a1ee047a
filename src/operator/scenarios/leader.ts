import type { Action } from "../action.ts";
import type { OperatorPlace } from "../config.ts";
import {
  OperatorDriver,
  type Told,
  type WriteAction,
  type WriteAnswer,
} from "../driver/operator-driver.ts";
import type { Snapshot } from "../snapshot.ts";
import type { ApiModel, Outcome } from "./api-model.ts";

export const PLACE: OperatorPlace = {
  namespace: "sbd-system",
  clusterUID: "cluster-1",
  kubernetesVersion: "v1.30.0",
  agentImage: "sbd-agent:test",
};

export type Written = { readonly action: Action; readonly outcome: Outcome | "failed" };
export type OnWrite = (action: Action, decidedOn: Snapshot) => void;

/**
 * One leader: the operator's driver over a model of the API server. It decides on what it has read,
 * which may be old, and its writes are answered at once.
 */
export class Leader {
  readonly #api: ApiModel;
  readonly #onWrite: OnWrite;
  readonly #driver = new OperatorDriver(() => 0.5);
  #decidedOn: Snapshot | null = null;
  /** What the API server answers instead of doing it; null: it does it. */
  refuse: (action: WriteAction) => WriteAnswer | null = () => null;
  /** Log lines and the like, since the last look. */
  told: Told[] = [];

  constructor(api: ApiModel, onWrite: OnWrite = () => undefined) {
    this.#api = api;
    this.#onWrite = onWrite;
    this.#driver.lead();
  }

  /** Decides on a snapshot, and remembers having looked. */
  look(snapshot: Snapshot, nowMs: number): void {
    this.told = [];
    this.#decidedOn = snapshot;
    this.#driver.look(snapshot, { nowMs, wall: wallAt(nowMs) }, PLACE);
  }

  /** Writes what was decided, as far as that still counts. */
  write(nowMs: number): readonly Written[] {
    const written: Written[] = [];
    for (let write = this.#driver.next(nowMs); write !== null; write = this.#driver.next(nowMs)) {
      const refusal = this.refuse(write.action);
      const outcome = refusal === null ? this.#api.apply(write.action) : "failed";
      written.push({ action: write.action, outcome });
      if (outcome === "done") {
        this.#note(write.action);
      }
      for (const told of this.#driver.answered(write, refusal ?? answerOf(outcome), nowMs)) {
        this.told.push(told);
        if (told.type === "event") {
          written.push({ action: told.event, outcome: "done" });
          this.#note(told.event);
        }
      }
    }
    return written;
  }

  forget(): void {
    this.#driver.follow();
    this.#driver.lead();
  }

  #note(action: Action): void {
    if (this.#decidedOn !== null) {
      this.#onWrite(action, this.#decidedOn);
    }
  }
}

function answerOf(outcome: Outcome | "failed"): WriteAnswer {
  switch (outcome) {
    case "done":
      return { kind: "done" };
    case "conflict":
    case "exists":
      return { kind: "failed", code: "CONFLICT", message: outcome, retryAfterMs: null };
    case "gone":
    case "failed":
      return { kind: "failed", code: "NOT_FOUND", message: outcome, retryAfterMs: null };
  }
}

/** The wall clock of all tests: 2000-01-01 at zero. */
export function wallAt(nowMs: number): string {
  return new Date(Date.UTC(2000, 0, 1) + nowMs).toISOString();
}
