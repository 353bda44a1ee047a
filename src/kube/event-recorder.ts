import { createHash } from "node:crypto";

import type { KubeClient } from "./kube-client.ts";
import { EVENTS } from "./resource-type.ts";
import { createObject, patchObject } from "./write-objects.ts";

/** What an Event is about. */
export type EventSubject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
};

export type EventType = "Normal" | "Warning";

export type EventRecorder = {
  /**
   * Records something about an object; returns at once and never fails. The same again, about the
   * same object with the same reason and message, is counted on the Event that is there.
   */
  record(subject: EventSubject, type: EventType, reason: string, message: string): void;
  /** Resolves when everything recorded so far is written or lost. */
  settled(): Promise<void>;
};

export type EventRecorderOptions = {
  /** Who reports, "sbd-agent". */
  readonly component: string;
  /** The node it runs on. */
  readonly host?: string;
  /** An Event could not be written and is lost. */
  readonly onLost?: (message: string) => void;
  readonly nowMs?: () => number;
};

type Series = { readonly name: string; count: number; readonly firstTime: string; lastMs: number };

/** Where Events about objects without a namespace go. */
const CLUSTER_NAMESPACE = "default";
const SERIES_MAX = 512;
/** Events live an hour; after that a new series begins. */
const SERIES_MS_MAX = 30 * 60 * 1_000;
const QUEUE_MAX = 100;
const MESSAGE_LENGTH_MAX = 1_000;
const TIMEOUT_MS = 5_000;

/** Writes core/v1 Events, one at a time, in the order of recording. */
export function createEventRecorder(
  client: KubeClient,
  { component, host = "", onLost, nowMs = Date.now }: EventRecorderOptions,
): EventRecorder {
  const series = new Map<string, Series>();
  let queued = 0;
  let last: Promise<void> = Promise.resolve();

  async function write(
    subject: EventSubject,
    type: EventType,
    reason: string,
    message: string,
  ): Promise<void> {
    const key = JSON.stringify([
      subject.kind,
      subject.namespace,
      subject.name,
      subject.uid,
      type,
      reason,
      message,
    ]);
    const time = new Date(nowMs()).toISOString().replace(/\.\d+Z$/, "Z");
    const namespace = subject.namespace ?? CLUSTER_NAMESPACE;
    const known = series.get(key);
    if (known !== undefined && nowMs() - known.lastMs < SERIES_MS_MAX) {
      known.count += 1;
      known.lastMs = nowMs();
      const body = { count: known.count, lastTimestamp: time };
      const ref = { name: known.name, namespace };
      const outcome = await patchObject(
        client,
        EVENTS,
        ref,
        { kind: "merge", body },
        { timeoutMs: TIMEOUT_MS },
      );
      if (outcome.kind !== "not-found") return report(outcome);
    }
    const created: Series = {
      name: eventName(subject.name, key, nowMs()),
      count: 1,
      firstTime: time,
      lastMs: nowMs(),
    };
    remember(key, created);
    const outcome = await createObject(
      client,
      EVENTS,
      {
        metadata: { name: created.name, namespace },
        involvedObject: { ...subject },
        type,
        reason,
        message: message.slice(0, MESSAGE_LENGTH_MAX),
        source: { component, ...(host === "" ? {} : { host }) },
        reportingComponent: component,
        reportingInstance: host,
        firstTimestamp: time,
        lastTimestamp: time,
        count: 1,
      },
      { timeoutMs: TIMEOUT_MS },
    );
    report(outcome);
  }

  function report(outcome: { readonly kind: string; readonly message?: string }): void {
    if (outcome.kind !== "done") onLost?.(outcome.message ?? outcome.kind);
  }

  function remember(key: string, created: Series): void {
    series.delete(key);
    series.set(key, created);
    const oldest = series.keys().next();
    if (series.size > SERIES_MAX && oldest.done !== true) series.delete(oldest.value);
  }

  async function after(before: Promise<void>, work: () => Promise<void>): Promise<void> {
    await before;
    try {
      await work();
    } catch (error) {
      onLost?.(error instanceof Error ? error.message : String(error));
    } finally {
      queued -= 1;
    }
  }

  return {
    record(subject, type, reason, message) {
      if (queued >= QUEUE_MAX) {
        onLost?.(`${reason}: ${QUEUE_MAX} events wait for the API server already`);
        return;
      }
      queued += 1;
      last = after(last, () => write(subject, type, reason, message));
    },
    settled: () => last,
  };
}

/** Unique among all recorders: `<object>.<hash of what it says and when>`. */
function eventName(subject: string, key: string, nowMs: number): string {
  const hash = createHash("sha256").update(`${key}${nowMs}${process.pid}`).digest("hex");
  return `${subject}.${hash.slice(0, 16)}`;
}
