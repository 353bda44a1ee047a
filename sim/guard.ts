import type { WatchdogHardware } from "./hardware.ts";

/** Who touched the watchdog. */
export type PetBy = "open" | "set" | "petter" | "latched" | "close";

type Petter = {
  readonly periodMs: number;
  readonly selfFence: boolean;
  deadlineMs: number;
  nextPetMs: number;
  latched: boolean;
  passed: boolean;
};

/** A pet never comes at the deadline itself. */
const BEFORE_DEADLINE_MS = 0.001;
const TIMEOUT_SECONDS_AT_LOAD = 60;
const TIMEOUT_SECONDS_MAX = 600;

/**
 * The watchdog of one boot, with the petter of the process that holds it; instants are true time.
 *
 * The watchdog is as the kernel has it (drivers/watchdog/watchdog_dev.c; measured): opening an idle
 * one, setting its timeout, and closing it without 'V' pet; opening one that ticks does not. The
 * petter is as src/platform/native/sys.c has it. Pets between two instants are computed, not played:
 * a healthy node costs no event.
 */
export class Guard {
  ticking = false;
  timeoutSeconds = TIMEOUT_SECONDS_AT_LOAD;
  /** Times that the hardware is slower than even its driver's worst, see `late-watchdog`. */
  lateness = 1;
  sysrqWorks: boolean;
  readonly #hardware: WatchdogHardware | null;
  #petter: Petter | null = null;
  #isOpen = false;
  #lastPetMs = -Infinity;
  /** The process that pets is stopped, or the whole machine is. */
  #petterPaused = false;
  #hardwarePausedMs: number | null = null;

  constructor(hardware: WatchdogHardware | null, sysrqWorks: boolean) {
    this.#hardware = hardware;
    this.sysrqWorks = sysrqWorks;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Returns whether that petted. */
  open(nowMs: number): boolean {
    const pets = !this.ticking;
    this.#isOpen = true;
    this.ticking = true;
    if (pets) {
      this.#lastPetMs = nowMs;
    }
    return pets;
  }

  /** WDIOC_SETTIMEOUT, which a driver may refuse, then what WDIOC_GETTIMEOUT says. */
  set(timeoutSeconds: number, nowMs: number): number {
    const { stuckAtSeconds, roundsToSeconds } = this.#truth();
    if (stuckAtSeconds !== null) {
      this.timeoutSeconds = stuckAtSeconds;
      return stuckAtSeconds;
    }
    this.timeoutSeconds = Math.ceil(timeoutSeconds / roundsToSeconds) * roundsToSeconds;
    this.#lastPetMs = nowMs;
    return this.timeoutSeconds;
  }

  /** A keepalive besides the petter's. */
  pet(nowMs: number): void {
    this.settle(nowMs);
    this.#lastPetMs = nowMs;
  }

  setLongest(nowMs: number): void {
    this.set(TIMEOUT_SECONDS_MAX, nowMs);
  }

  /** `magic`: 'V' was the last byte written. Without it, or with nowayout, closing pets. */
  close(ending: "magic" | "without", nowMs: number): "stopped" | "petted" | "was-closed" {
    this.settle(nowMs);
    this.#petter = null;
    if (!this.#isOpen) {
      return "was-closed";
    }
    this.#isOpen = false;
    if (ending === "magic" && !this.#truth().facts.nowayout) {
      this.ticking = false;
      return "stopped";
    }
    this.#lastPetMs = nowMs;
    return "petted";
  }

  /** The reboot notifier of the kernel: nowayout is not asked. */
  stopByKernel(): void {
    this.ticking = false;
  }

  startPetter(
    start: { readonly periodMs: number; readonly deadlineMs: number; readonly selfFence: boolean },
    nowMs: number,
  ): "started" | "latched" | "deadline-passed" {
    if (this.#petter?.latched === true) {
      return "latched";
    }
    if (nowMs >= start.deadlineMs) {
      return "deadline-passed";
    }
    this.#petter = { ...start, nextPetMs: nowMs, latched: false, passed: false };
    return "started";
  }

  /** Returns whether the deadline moved. */
  push(deadlineMs: number, nowMs: number): boolean {
    this.settle(nowMs);
    const petter = this.#petter;
    if (petter === null || petter.latched || petter.passed || nowMs >= petter.deadlineMs) {
      return false;
    }
    petter.deadlineMs = Math.max(petter.deadlineMs, deadlineMs);
    return true;
  }

  /** A petter that has not been started latches all the same: nothing may start it any more. */
  latchPetter(nowMs: number): void {
    this.settle(nowMs);
    this.#petter ??= {
      periodMs: Infinity,
      selfFence: false,
      deadlineMs: Infinity,
      nextPetMs: Infinity,
      latched: true,
      passed: false,
    };
    this.#petter.latched = true;
  }

  stopPetter(nowMs: number): void {
    this.settle(nowMs);
    if (this.#petter?.latched !== true) {
      this.#petter = null;
    }
  }

  pausePetter(nowMs: number): void {
    this.settle(nowMs);
    this.#petterPaused = true;
  }

  resumePetter(nowMs: number): void {
    this.#petterPaused = false;
    if (this.#petter !== null) {
      this.#petter.nextPetMs = Math.max(this.#petter.nextPetMs, nowMs);
    }
  }

  /** The machine sleeps or is paused, and its watchdog with it. */
  pauseHardware(nowMs: number): void {
    this.settle(nowMs);
    this.#hardwarePausedMs = nowMs;
  }

  /** `clocks`: whether the machine's own clock knows of the pause. */
  resumeHardware(clocks: "count-it" | "miss-it", nowMs: number): void {
    const pausedMs = nowMs - (this.#hardwarePausedMs ?? nowMs);
    this.#lastPetMs += pausedMs;
    this.#hardwarePausedMs = null;
    if (clocks === "miss-it" && this.#petter !== null) {
      this.#petter.deadlineMs += pausedMs;
      this.#petter.nextPetMs += pausedMs;
    }
  }

  /** Computes what the petter did until now. */
  settle(nowMs: number): void {
    const petter = this.#petter;
    if (petter === null || this.#petterPaused || petter.passed) {
      return;
    }
    const untilMs = Math.min(nowMs, petter.deadlineMs - BEFORE_DEADLINE_MS);
    if (!petter.latched && petter.nextPetMs <= untilMs) {
      const missed = Math.floor((untilMs - petter.nextPetMs) / petter.periodMs);
      this.#lastPetMs = petter.nextPetMs + missed * petter.periodMs;
      petter.nextPetMs = this.#lastPetMs + petter.periodMs;
    }
  }

  /** When the machine dies if nothing happens, and by what; null = it does not. */
  hazard(): { readonly atMs: number; readonly by: "watchdog" | "petter" } | null {
    if (this.#hardwarePausedMs !== null) {
      return null;
    }
    const firesMs = this.#firesMs();
    const petter = this.#petter;
    const fencesMs =
      petter !== null && petter.selfFence && this.sysrqWorks && !this.#petterPaused
        ? petter.deadlineMs
        : Infinity;
    const atMs = Math.min(firesMs, fencesMs);
    if (atMs === Infinity) {
      return null;
    }
    return { atMs, by: fencesMs <= firesMs ? "petter" : "watchdog" };
  }

  #firesMs(): number {
    if (!this.ticking) {
      return Infinity;
    }
    const lifeMs = this.timeoutSeconds * 1_000 * this.#truth().trueFactor * this.lateness;
    const petter = this.#petter;
    let lastPetMs = this.#lastPetMs;
    if (petter !== null && !petter.latched && !petter.passed && !this.#petterPaused) {
      const untilMs = petter.deadlineMs - BEFORE_DEADLINE_MS;
      if (petter.nextPetMs <= untilMs) {
        const pets = Math.floor((untilMs - petter.nextPetMs) / petter.periodMs);
        // A driver whose life is shorter than the period fires before the next pet.
        lastPetMs =
          lifeMs <= petter.periodMs ? lastPetMs : petter.nextPetMs + pets * petter.periodMs;
      }
    }
    return lastPetMs + lifeMs;
  }

  #truth(): WatchdogHardware {
    if (this.#hardware === null) {
      throw new Error("This machine has no watchdog");
    }
    return this.#hardware;
  }
}
