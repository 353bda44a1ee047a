import type { ErrorClass } from "../../kube/error-class.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { hostClock } from "../../platform/host-clock.ts";
import type { LogLevel } from "../../program/log-level.ts";
import type { OperatorPlace } from "../config.ts";
import { judgeKubernetes } from "../kubernetes-version.ts";
import {
  OperatorDriver,
  type EventAction,
  type Told,
  type Write,
} from "../driver/operator-driver.ts";
import type { Snapshot } from "../snapshot.ts";
import { createActionExecutor } from "./action-executor.ts";
import { readClusterFacts, type ClusterFacts } from "./cluster-facts.ts";
import { snapshotSource } from "./snapshot-source.ts";

export type OperatorLoopOptions = {
  /** Without what the cluster tells, which the loop asks for. */
  readonly place: Omit<OperatorPlace, keyof ClusterFacts>;
  readonly recordEvent: (event: EventAction) => void;
  /** A leader has looked at what the caches hold. */
  readonly onLook?: (seen: Snapshot) => void;
  /** A write has failed. */
  readonly onFailure?: (errorClass: ErrorClass) => void;
  readonly log: (
    level: LogLevel,
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ) => void;
};

export type OperatorLoop = {
  /** Only a leader writes. */
  lead(): void;
  follow(): void;
  close(): void;
  readonly isSynced: boolean;
  readonly leads: boolean;
  /** What the caches hold; null until they have their first lists. */
  readonly snapshot: Snapshot | null;
};

/** Carries out what the operator's driver says, on the API server and by this host's clocks. */
export function runOperatorLoop(client: KubeClient, options: OperatorLoopOptions): OperatorLoop {
  const { recordEvent, log } = options;
  const executor = createActionExecutor(client);
  const driver = new OperatorDriver(Math.random);
  let place: OperatorPlace | null = null;
  let timer: NodeJS.Timeout | null = null;
  const source = snapshotSource(client, {
    namespace: options.place.namespace,
    onChange: look,
    log,
  });

  async function learnPlace(): Promise<void> {
    const facts = await readClusterFacts(client, (message) => log("warn", message));
    const { status, message } = judgeKubernetes(facts.kubernetesVersion);
    log(status === "False" ? "error" : "info", message);
    place = { ...options.place, ...facts };
    look();
  }

  function look(): void {
    const snapshot = source.current();
    const nowMs = hostClock.rawMs();
    if (snapshot !== null && place !== null) {
      if (driver.leads) options.onLook?.(snapshot);
      driver.look(snapshot, { nowMs, wall: new Date().toISOString() }, place);
    }
    writeAll();
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(look, driver.waitMs(nowMs));
  }

  function writeAll(): void {
    for (;;) {
      const write = driver.next(hostClock.rawMs());
      if (write === null) {
        return;
      }
      void carryOut(write);
    }
  }

  async function carryOut(write: Write): Promise<void> {
    const answer = await executor.execute(write.action);
    for (const told of driver.answered(write, answer, hostClock.rawMs())) {
      tell(told);
    }
    writeAll();
  }

  function tell(told: Told): void {
    switch (told.type) {
      case "event":
        return recordEvent(told.event);
      case "log":
        return log(told.level, told.message, told.fields);
      case "failure":
        return options.onFailure?.(told.class);
    }
  }

  void learnPlace();
  return {
    lead() {
      driver.lead();
      look();
    },
    follow: () => driver.follow(),
    close() {
      driver.follow();
      if (timer !== null) clearTimeout(timer);
      source.close();
    },
    get leads() {
      return driver.leads;
    },
    get snapshot() {
      return source.current();
    },
    get isSynced() {
      return source.current() !== null && place !== null;
    },
  };
}
