import type { DiskPath } from "./disk-path.ts";
import type { Random } from "./random.ts";
import type { SharedDevice } from "./shared-device.ts";
import type { Timeline } from "./timeline.ts";

/** One request of an agent's disk worker. */
export type DiskRequest = {
  /** At an instant of the worker's choice between start and end; null for a pure write. */
  readonly read: ((device: SharedDevice, moment: ReadMoment) => void) | null;
  /** Null for a pure read. */
  readonly write: DiskWrite | null;
  /** The reply, or null with the error; `ended` is true time. */
  readonly done: (error: string | null) => void;
};

export type ReadMoment = "heartbeats" | "fences";

export type DiskWrite = {
  readonly land: (device: SharedDevice) => void;
  readonly tear: (device: SharedDevice) => void;
  /** Read back after the flush. */
  readonly readBack: ((device: SharedDevice) => void) | null;
};

const QUEUE_MAX = 256;
const BASE_LATENCY_MS = 2;
/** Below it nobody looks closely at what lands when within one I/O. */
const SLOW_FROM_MS = 50;
const TIMEOUT_MS = 300;
const LATE_MS_MAX = 30_000;

/**
 * The disk worker of one process: one request at a time, in order. What was submitted goes on in the
 * kernel and the array when the process or the machine dies, and may land then.
 */
export class DiskWorker {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #path: DiskPath;
  #queue: DiskRequest[] = [];
  #inFlight: DiskRequest | null = null;
  /** The machine is gone: what the kernel still held is mostly lost. */
  #machineGone = false;

  constructor(timeline: Timeline, random: Random, path: DiskPath) {
    this.#timeline = timeline;
    this.#random = random;
    this.#path = path;
  }

  submit(request: DiskRequest, urgency?: "urgent"): void {
    if (this.#queue.length >= QUEUE_MAX) {
      request.done(`${QUEUE_MAX} requests wait for the device, which does not answer`);
      return;
    }
    if (urgency === "urgent") {
      this.#queue.unshift(request);
    } else {
      this.#queue.push(request);
    }
    this.#next();
  }

  /** The process is gone, or its worker: nobody waits for an answer any more. */
  abandon(why: "worker" | "process" | "machine"): void {
    const { done } = this.#inFlight ?? { done: null };
    this.#queue = [];
    this.#inFlight = null;
    this.#machineGone ||= why === "machine";
    if (why === "worker") {
      done?.("the disk worker died");
    }
  }

  /** What waited behind a worker that died goes to the next one. */
  takeQueue(): DiskRequest[] {
    const queue = this.#queue;
    this.#queue = [];
    return queue;
  }

  #next(): void {
    if (this.#inFlight === null) {
      const request = this.#queue.shift();
      if (request !== undefined) {
        this.#inFlight = request;
        this.#start(request);
      }
    }
  }

  #finish(request: DiskRequest, error: string | null): void {
    if (this.#inFlight === request) {
      this.#inFlight = null;
      request.done(error);
      this.#next();
    }
  }

  #start(request: DiskRequest): void {
    const { nowMs } = this.#timeline;
    const hungUntilMs = this.#path.hungUntil();
    if (nowMs < hungUntilMs) {
      this.#timeline.at(hungUntilMs, () => this.#afterHang(request));
      return;
    }
    this.#go(request);
  }

  /** A hang ends in an error or in an answer; for a dead machine's I/O mostly in neither. */
  #afterHang(request: DiskRequest): void {
    if (this.#machineGone && this.#random.chance(0.7)) {
      return;
    }
    if (this.#timeline.nowMs < this.#path.hungUntil()) {
      this.#start(request);
      return;
    }
    if (this.#random.chance(0.3)) {
      this.#maybeLandLate(request);
      this.#finish(request, "I/O error after a hang");
      return;
    }
    this.#go(request);
  }

  #go(request: DiskRequest): void {
    const { nowMs } = this.#timeline;
    const path = this.#path;
    if (path.fails(nowMs)) {
      this.#maybeLandLate(request);
      this.#timeline.after(this.#random.between(1, TIMEOUT_MS), () => this.#finish(request, "EIO"));
      return;
    }
    const extraMs = path.extraLatencyMs();
    const latencyMs =
      BASE_LATENCY_MS * (0.5 + this.#random.next()) + extraMs * (0.5 + this.#random.next());
    if (request.write !== null) {
      this.#write(request, request.write, latencyMs);
    } else {
      this.#read(request, latencyMs);
    }
  }

  #read(request: DiskRequest, latencyMs: number): void {
    const { device } = this.#path;
    const read = request.read!;
    const way = this.#random.next();
    if (latencyMs >= SLOW_FROM_MS) {
      const first = this.#random.next() * latencyMs;
      const second = first + this.#random.next() * (latencyMs - first);
      this.#timeline.after(first, () => read(device, "heartbeats"));
      this.#timeline.after(second, () => read(device, "fences"));
    } else if (way < 0.6) {
      read(device, "heartbeats");
    }
    if (latencyMs < SLOW_FROM_MS && way < 0.3) {
      read(device, "fences");
    }
    this.#timeline.after(latencyMs, () => {
      if (latencyMs < SLOW_FROM_MS && way >= 0.6) {
        read(device, "heartbeats");
      }
      if (latencyMs < SLOW_FROM_MS && way >= 0.3) {
        read(device, "fences");
      }
      this.#finish(request, null);
    });
  }

  #write(request: DiskRequest, write: DiskWrite, latencyMs: number): void {
    const path = this.#path;
    const { device } = path;
    request.read?.(device, "fences");
    if (write.readBack !== null && path.fenceWrites !== "ok") {
      this.#spoil(request, write, path.fenceWrites, latencyMs);
      return;
    }
    if (path.lateByMs > 0) {
      const lateByMs = path.lateByMs;
      path.lateByMs = 0;
      this.#timeline.after(lateByMs, () => write.land(device));
      this.#timeline.after(latencyMs, () => this.#finish(request, "EIO, and it lands late"));
      return;
    }
    if (path.tornWrites > 0) {
      path.tornWrites -= 1;
      write.tear(device);
      this.#timeline.after(latencyMs, () => this.#finish(request, "EIO, and it is torn"));
      return;
    }
    if (path.lostWrites > 0) {
      path.lostWrites -= 1;
    } else if (latencyMs >= SLOW_FROM_MS) {
      this.#timeline.after(this.#random.next() * latencyMs, () => write.land(device));
    } else if (this.#random.chance(0.5) && request.read === null) {
      write.land(device);
    } else {
      this.#timeline.after(latencyMs * 0.9, () => write.land(device));
    }
    this.#timeline.after(latencyMs, () => {
      write.readBack?.(device);
      this.#finish(request, null);
    });
  }

  #spoil(
    request: DiskRequest,
    write: DiskWrite,
    fate: "lost" | "torn" | "fails" | "late",
    latencyMs: number,
  ): void {
    const { device } = this.#path;
    if (fate === "torn") {
      write.tear(device);
    }
    if (fate === "late") {
      this.#timeline.after(this.#random.next() * LATE_MS_MAX, () => write.land(device));
    }
    this.#timeline.after(latencyMs, () => {
      write.readBack?.(device);
      this.#finish(request, fate === "lost" ? null : `EIO: the write ${fate}`);
    });
  }

  /** A failed write may be lost, or have landed, or land later. */
  #maybeLandLate(request: DiskRequest): void {
    const { write } = request;
    if (write !== null && this.#random.chance(0.25)) {
      const { device } = this.#path;
      this.#timeline.after(this.#random.next() ** 3 * LATE_MS_MAX, () => write.land(device));
    }
  }
}
