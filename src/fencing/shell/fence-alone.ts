import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

import type { DiskWorker } from "../../platform/disk-worker-handle.ts";
import { hostClock } from "../../platform/host-clock.ts";
import { NO_SIGHTINGS } from "../../observation/sightings.ts";
import type { FenceRecord } from "../../protocol/fence-record.ts";
import type { TimingContract } from "../../timing/contract.ts";
import type { FenceTarget } from "../fence-case.ts";
import { targetTiming } from "../fencer-case.ts";
import { reportRequest, type FencerReport } from "../fencer-report.ts";
import type { FenceWritten } from "../driver/fence-device.ts";
import { createFencerDriver } from "../driver/fencer-driver.ts";
import { readPass } from "./device-pass.ts";
import { answerWith } from "./fence-device.ts";

export type FenceAloneOptions = {
  readonly device: DiskWorker;
  /** Null: the device has no readable header, and nothing tells it from another. */
  readonly deviceUUID: string | null;
  /** What the message says of who wrote it. */
  readonly fencerName: string;
  readonly target: FenceTarget;
  readonly contract: TimingContract;
  /** One of the `FENCE_REASON_` constants. */
  readonly reason: number;
  /** How long to wait for a proof from the message on; null: M and the slack once more. */
  readonly waitMs: number | null;
  /** About once a pass, also while the device does not answer. */
  readonly onProgress: (progress: FenceProgress) => void;
};

export type FenceProgress = {
  readonly report: FencerReport;
  /** Since the start; the message may be younger. */
  readonly elapsedMs: number;
  /** How long the present request to the device has been out. */
  readonly silentMs: number;
  /** The last pass that failed, unless one succeeded since. */
  readonly failure: string | null;
};

export type FenceOutcome =
  | { readonly kind: "proven"; readonly report: FencerReport }
  /** Not in time. A message that stands goes on standing. */
  | { readonly kind: "not-proven"; readonly progress: FenceProgress }
  /** Every attempt failed; one of them may still land. */
  | { readonly kind: "not-written"; readonly progress: FenceProgress };

const PROGRESS_EVERY_MS = 500;

/**
 * Runs a fencer against one device, without a cluster: whoever calls it answers for there
 * being a reason to fence. Only Rebooted and Acknowledged can prove the death then.
 *
 * One request to the device is out at a time. A device that hangs is waited for no longer than for a
 * proof; the write that hangs with it may land at any time later.
 */
export async function fenceAlone(options: FenceAloneOptions): Promise<FenceOutcome> {
  const { device, target, contract, onProgress } = options;
  const startedMs = hostClock.rawMs();
  const uid = randomUUID();
  let writing: Promise<void> | null = null;
  let durableMs: number | null = null;
  let askedMs = startedMs;
  let failure: string | null = null;
  const ending = new AbortController();
  const fencer = createFencerDriver(
    { name: options.fencerName, nodeID: 0, target, contract, cluster: null },
    NO_SIGHTINGS,
    {
      clock: hostClock,
      nonce: () => randomBytes(16).toString("hex"),
      device: {
        readFence: unasked,
        replaceFence: unasked,
        writeFence(record, answer) {
          writing = answerWith(write(record), answer);
        },
      },
      // No other process is to be told of a proof, and none is there to be asked.
      send: () => undefined,
      stepped({ after: { message } }) {
        if (message.kind === "standing") {
          durableMs ??= message.durableMs;
        }
      },
      log: () => undefined,
    },
    () => 0,
  );

  function progress(): FenceProgress {
    const nowMs = hostClock.rawMs();
    const [request] = fencer.state.requests;
    if (request === undefined) {
      throw new Error("The fencer has lost its request");
    }
    return {
      report: reportRequest(fencer.state, request, nowMs),
      elapsedMs: nowMs - startedMs,
      silentMs: nowMs - askedMs,
      failure,
    };
  }

  async function look(): Promise<void> {
    askedMs = hostClock.rawMs();
    const pass = await readPass(device, target.nodeID, options.deviceUUID);
    if (ending.signal.aborted) return;
    fencer.tell({ type: "heartbeats-read", reading: pass.heartbeats });
    fencer.tell({ type: "fences-read", reading: pass.fences });
  }

  async function write(record: FenceRecord): Promise<FenceWritten> {
    askedMs = hostClock.rawMs();
    // The pass before it makes sure that this is still the device, with its distance of slots.
    await readPass(device, target.nodeID, options.deviceUUID);
    const { readBack, endedRawMs } = await device.request({ op: "write-fence", record });
    return { readBack, endedMs: endedRawMs };
  }

  function takeWrite(): Promise<void> | null {
    const taken = writing;
    writing = null;
    return taken;
  }

  async function pursue(): Promise<FenceOutcome> {
    while (!ending.signal.aborted) {
      const passStartedMs = hostClock.rawMs();
      try {
        await look();
        failure = null;
      } catch (error) {
        failure = textOf(error);
        fencer.tick();
      }
      for (let write = takeWrite(); write !== null; write = takeWrite()) {
        await write;
      }
      askedMs = hostClock.rawMs();
      const now = progress();
      onProgress(now);
      if (now.report.evidence !== null) {
        return { kind: "proven", report: now.report };
      }
      if (fencer.state.message.kind === "unwritable") {
        return { kind: "not-written", progress: now };
      }
      const { passIntervalMs } = targetTiming(fencer.state);
      await delay(Math.max(0, passStartedMs + passIntervalMs - hostClock.rawMs()));
    }
    return { kind: "not-proven", progress: progress() };
  }

  function dueMs(): number {
    const { msgwaitMs, slackMs } = targetTiming(fencer.state);
    return (durableMs ?? startedMs) + (options.waitMs ?? msgwaitMs + slackMs);
  }

  let clock: NodeJS.Timeout | undefined;
  const outOfTime = new Promise<FenceOutcome>((resolve) => {
    clock = setInterval(() => {
      if (hostClock.rawMs() >= dueMs()) {
        resolve({ kind: "not-proven", progress: progress() });
      } else if (hostClock.rawMs() - askedMs > PROGRESS_EVERY_MS) {
        onProgress(progress());
      }
    }, PROGRESS_EVERY_MS);
  });
  try {
    fencer.tell({ type: "request", uid, reason: options.reason, finalizerMs: startedMs });
    return await Promise.race([pursue(), outOfTime]);
  } finally {
    ending.abort();
    clearInterval(clock);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function unasked(): never {
  throw new Error("A fencer asks its device to write, and nothing else");
}
