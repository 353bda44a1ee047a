import type { KubeClient } from "../../kube/kube-client.ts";

import type { LogLevel } from "../../program/log-level.ts";
import { hostClock } from "../../platform/host-clock.ts";
import type { OperatorPlace } from "../config.ts";
import { NO_MEMORY, type OperatorMemory } from "../memory.ts";
import { reconcile } from "../operator.ts";
import { readClusterUID } from "./cluster-uid.ts";
import { createActionExecutor, type RecordEvent } from "./action-executor.ts";
import { snapshotSource } from "./snapshot-source.ts";

export type OperatorLoopOptions = {
  /** Without the cluster's UID, which the loop asks for. */
  readonly place: Omit<OperatorPlace, "clusterUID">;
  readonly recordEvent: RecordEvent;
  readonly log: (
    level: LogLevel,
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ) => void;
};

export type OperatorLoop = {
  /** Only a leader writes. What a leader remembers begins anew with each term. */
  lead(): void;
  follow(): void;
  close(): void;
  readonly isSynced: boolean;
};

/** Reconciled at least so often, whatever the watches say: the leader waits by its own clock. */
const AT_LEAST_EVERY_MS = 1_000;
/** After a failure, so that an outage is not hammered. */
const AFTER_FAILURE_MS = 1_000;
/** Writes of one round; the rest follows on what these have changed. */
const ACTIONS_A_ROUND_MAX = 200;

/**
 * Looks, decides, writes, one round after another and never two at once. A write that finds the
 * object changed is no error: the next round looks again.
 */
export function runOperatorLoop(client: KubeClient, options: OperatorLoopOptions): OperatorLoop {
  const { recordEvent, log } = options;
  const executor = createActionExecutor(client, recordEvent);
  let place: OperatorPlace | null = null;
  let leading = false;
  let memory: OperatorMemory = NO_MEMORY;
  let running = false;
  let wanted = false;
  const source = snapshotSource(client, {
    namespace: options.place.namespace,
    onChange: () => void round(),
    log,
  });
  const timer = setInterval(() => void round(), AT_LEAST_EVERY_MS);

  async function learnPlace(): Promise<void> {
    const clusterUID = await readClusterUID(client, (message) => log("warn", message));
    place = { ...options.place, clusterUID };
    await round();
  }

  async function round(): Promise<void> {
    wanted = true;
    if (running) {
      return;
    }
    running = true;
    while (takeTurn()) {
      try {
        await once();
      } catch (error) {
        log("warn", `a round failed: ${error instanceof Error ? error.message : String(error)}`);
        await new Promise((resolve) => setTimeout(resolve, AFTER_FAILURE_MS));
      }
    }
    running = false;
  }

  function takeTurn(): boolean {
    const turn = wanted && leading;
    wanted = false;
    return turn;
  }

  async function once(): Promise<void> {
    const snapshot = source.current();
    if (snapshot === null || place === null) {
      return;
    }
    const moment = { nowMs: hostClock.rawMs(), wall: new Date().toISOString() };
    const step = reconcile(snapshot, memory, moment, place);
    ({ memory } = step);
    /** Objects that were written, or have changed: what was decided on the old version is void. */
    const touched = new Set<string>();
    for (const action of step.actions.slice(0, ACTIONS_A_ROUND_MAX)) {
      const key = "target" in action ? `${action.type} ${action.target.uid}` : null;
      if (!leading || ("target" in action && touched.has(action.target.uid))) {
        continue;
      }
      if (action.type === "event" && touched.has(`failed ${action.about.uid}`)) {
        continue;
      }
      const outcome = await executor.execute(action);
      if ("target" in action) {
        touched.add(action.target.uid);
      }
      if (outcome.kind !== "done") {
        if ("target" in action) {
          touched.add(`failed ${action.target.uid}`);
        }
        log(
          outcome.kind === "refused" ? "error" : "debug",
          `${key ?? action.type}: ${outcome.message}`,
        );
      }
    }
  }

  void learnPlace();
  return {
    lead() {
      leading = true;
      memory = NO_MEMORY;
      void round();
    },
    follow() {
      leading = false;
    },
    close() {
      leading = false;
      clearInterval(timer);
      source.close();
    },
    get isSynced() {
      return source.current() !== null && place !== null;
    },
  };
}
