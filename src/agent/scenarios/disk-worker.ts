import type { FakeDevice } from "./fake-device.ts";
import type { Timeline } from "./timeline.ts";

type Operation = {
  readonly kind: "read" | "write";
  /** Goes before all that wait. */
  readonly urgent: boolean;
  /** What a write puts on the device; whoever asked for it may be dead by then. */
  readonly land: () => void;
  /** Not called once the worker was abandoned. */
  readonly done: (error: string | null) => void;
};

/** Where the model's operations meet: the device, the clock, and what waits for a hung device. */
export type DiskWorld = {
  readonly device: FakeDevice;
  readonly timeline: Timeline;
  readonly parked: (() => void)[];
  readonly nowMs: number;
};

/**
 * One thread that does one operation at a time. Abandoned, its operation in flight still reaches the
 * device; what was queued does not.
 */
export class DiskWorker {
  readonly #world: DiskWorld;
  #queue: Operation[] = [];
  #busy = false;
  #abandoned = false;

  constructor(world: DiskWorld) {
    this.#world = world;
  }

  submit(operation: Operation): void {
    if (operation.urgent) this.#queue.unshift(operation);
    else this.#queue.push(operation);
    this.#next();
  }

  abandon(): void {
    this.#abandoned = true;
    this.#queue = [];
  }

  #next(): void {
    if (this.#busy || this.#abandoned) return;
    const operation = this.#queue.shift();
    if (operation === undefined) return;
    this.#busy = true;
    this.#begin(operation);
  }

  #begin(operation: Operation): void {
    const { device, timeline, parked, nowMs } = this.#world;
    if (device.fault === "hang") {
      parked.push(() => this.#begin(operation));
      return;
    }
    timeline.at(nowMs + device.latencyMs, () => this.#finish(operation));
  }

  #finish(operation: Operation): void {
    const { device, timeline, nowMs } = this.#world;
    const error = errorOf(operation.kind, device);
    if (operation.kind === "write" && device.fault === "late-writes") {
      timeline.at(nowMs + device.lateMs, operation.land);
    } else if (error === null && device.fault !== "lose-writes") {
      operation.land();
    }
    this.#busy = false;
    if (!this.#abandoned) operation.done(error);
    this.#next();
  }
}

function errorOf(kind: Operation["kind"], { fault }: FakeDevice): string | null {
  switch (fault) {
    case "fail":
      return `EIO: cannot ${kind} the device`;
    case "fail-reads":
      return kind === "read" ? "EIO: cannot read the device" : null;
    case "fail-writes":
    case "late-writes":
      return kind === "write" ? "EIO: cannot write the device" : null;
    case "ok":
    case "hang":
    case "lose-writes":
      return null;
  }
}
