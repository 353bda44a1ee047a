import type { KernelWatchdog } from "./kernel-watchdog.ts";

type Start = {
  readonly periodMs: number;
  readonly deadlineMs: number;
  readonly selfFence: boolean;
};

/**
 * The contract of the native petter of one process: a pet at once and then each period while the
 * clock is before the deadline and nothing latched; at the deadline sysrq-b, if it is to fence.
 * Once passed, a deadline stays passed; a latched petter keeps its deadline.
 */
export class NativePetter {
  readonly #watchdog: KernelWatchdog;
  #start: Start | null = null;
  #deadlineMs = Infinity;
  #nextPetMs = Infinity;
  #passed = false;
  #latched = false;

  constructor(watchdog: KernelWatchdog) {
    this.#watchdog = watchdog;
  }

  get deadlineMs(): number | null {
    return this.#start === null ? null : this.#deadlineMs;
  }

  /** When it next does anything. */
  get nextMs(): number {
    if (this.#start === null) return Infinity;
    return Math.min(this.#latched ? Infinity : this.#nextPetMs, this.#dueMs);
  }

  get #dueMs(): number {
    return this.#passed ? Infinity : this.#deadlineMs;
  }

  start(start: Start, nowMs: number): "started" | "deadline-passed" | "latched" {
    if (this.#latched) return "latched";
    if (nowMs >= start.deadlineMs) return "deadline-passed";
    this.#start = start;
    this.#deadlineMs = start.deadlineMs;
    this.#nextPetMs = nowMs;
    return "started";
  }

  push(deadlineMs: number, nowMs: number): void {
    if (this.#start === null || this.#latched || this.#passed || nowMs >= this.#deadlineMs) return;
    this.#deadlineMs = Math.max(this.#deadlineMs, deadlineMs);
  }

  latch(): void {
    this.#latched = true;
  }

  stop(): void {
    if (!this.#latched) this.#start = null;
  }

  /** Does what is due; `fence` = it writes sysrq-b. */
  run(nowMs: number): "petted" | "fence" | "stopped-petting" {
    if (nowMs >= this.#dueMs) {
      this.#passed = true;
      this.#nextPetMs = Infinity;
      return this.#start?.selfFence === true ? "fence" : "stopped-petting";
    }
    this.#watchdog.pet(nowMs, "petter");
    this.#nextPetMs = nowMs + (this.#start?.periodMs ?? Infinity);
    return "petted";
  }
}
