import type { SharedDevice } from "./shared-device.ts";

/** What is wrong between all nodes and the storage. */
export type ArrayFaults = { hungUntilMs: number; failsUntilMs: number; slowMs: number };

/** One machine's way to the storage, and what is wrong with it. */
export class DiskPath {
  /** What the path leads to. */
  device: SharedDevice;
  hungUntilMs = 0;
  failsUntilMs = 0;
  slowMs = 0;
  lostWrites = 0;
  tornWrites = 0;
  /** The next write fails and lands so much later; 0 = it does not. */
  lateByMs = 0;
  /** What becomes of fence messages that this node writes. */
  fenceWrites: "ok" | "lost" | "torn" | "fails" | "late" = "ok";
  /** The own fence slot reads as garbage. */
  blindUntilMs = 0;
  readonly #array: ArrayFaults;

  constructor(device: SharedDevice, array: ArrayFaults) {
    this.device = device;
    this.#array = array;
  }

  hungUntil(): number {
    return Math.max(this.hungUntilMs, this.#array.hungUntilMs);
  }

  fails(nowMs: number): boolean {
    return nowMs < this.failsUntilMs || nowMs < this.#array.failsUntilMs;
  }

  extraLatencyMs(): number {
    return this.slowMs + this.#array.slowMs;
  }
}
