import { Worker } from "node:worker_threads";

import type { DeviceReply, DeviceRequest } from "./device-request.ts";
import type { DiskWorkerMessage, RegionChanges } from "./disk-worker.ts";
import { withChanges } from "../protocol/slot-memory.ts";

/** The disk worker, seen from the main isolate. */
export type DiskWorker = {
  /**
   * Queues a request; `urgent` goes before all that wait. The promise settles when the worker has
   * answered, which a hung device may put off for ever; it rejects with the failure's text.
   */
  request<Op extends DeviceRequest["op"]>(
    request: DeviceRequest & { readonly op: Op },
    urgency?: "urgent",
  ): Promise<DeviceReply[Op]>;
  close(): Promise<void>;
};

type Pending = {
  readonly id: number;
  readonly request: DeviceRequest;
  readonly resolve: (reply: never) => void;
  readonly reject: (error: Error) => void;
};

/** More than an agent and its fencers can have waiting; beyond it something is wrong. */
const QUEUE_MAX = 256;

/** What a worker that was just started has told of the regions. */
const NOTHING_SHOWN: Pick<DeviceReply["read-regions"], "heartbeats" | "fences"> = {
  heartbeats: new Map(),
  fences: new Map(),
};

/**
 * Starts the worker and replaces it when it dies. One request is in flight at most, so there is never
 * more than one I/O of this process outstanding.
 *
 * @param onReplaced the worker died: what it had in flight may land at any time
 */
export function startDiskWorker(devicePath: string, onReplaced: () => void): DiskWorker {
  const queue: Pending[] = [];
  let inFlight: Pending | null = null;
  let ids = 0;
  let closing = false;
  let shown = NOTHING_SHOWN;
  let whyDead = "";
  let worker = start();

  function start(): Worker {
    const started = new Worker(new URL("disk-worker.ts", import.meta.url), {
      workerData: { devicePath },
      // Its stack must not grow into a swap-in under memory pressure.
      resourceLimits: { stackSizeMb: 1 },
    });
    started.on("message", (message: DiskWorkerMessage) => settle(message));
    started.on("error", (error) => {
      whyDead = `: ${error instanceof Error ? error.message : String(error)}`;
    });
    started.on("exit", () => replace(started));
    return started;
  }
  function replace(dead: Worker): void {
    if (closing || dead !== worker) {
      return;
    }
    inFlight?.reject(new Error(`the disk worker died${whyDead}`));
    inFlight = null;
    whyDead = "";
    shown = NOTHING_SHOWN;
    worker = start();
    onReplaced();
    next();
  }
  function settle(message: DiskWorkerMessage): void {
    if (inFlight === null || inFlight.id !== message.id) {
      return;
    }
    const { resolve, reject } = inFlight;
    inFlight = null;
    if ("error" in message) {
      reject(new Error(message.error));
    } else {
      resolve((tellsChanges(message.reply) ? regions(message.reply) : message.reply) as never);
    }
    next();
  }
  function regions({ changes, ...times }: RegionChanges): DeviceReply["read-regions"] {
    shown = {
      heartbeats: withChanges(shown.heartbeats, changes.heartbeats),
      fences: withChanges(shown.fences, changes.fences),
    };
    return { ...shown, ...times };
  }
  function next(): void {
    const pending = inFlight === null ? queue.shift() : undefined;
    if (pending !== undefined) {
      inFlight = pending;
      worker.postMessage({ id: pending.id, request: pending.request });
    }
  }

  return {
    request(request, urgency) {
      return new Promise((resolve, reject) => {
        if (queue.length >= QUEUE_MAX) {
          reject(new Error(`${QUEUE_MAX} requests wait for the device, which does not answer`));
          return;
        }
        ids += 1;
        const pending: Pending = { id: ids, request, resolve, reject };
        if (urgency === "urgent") {
          queue.unshift(pending);
        } else {
          queue.push(pending);
        }
        next();
      });
    },
    async close() {
      closing = true;
      await worker.terminate();
    },
  };
}

function tellsChanges(reply: object): reply is RegionChanges {
  return "changes" in reply;
}
