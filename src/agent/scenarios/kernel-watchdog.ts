/** One driver and its hardware, as the kernel's watchdog core treats them. */
export type WatchdogDriver = {
  readonly name: string | null;
  readonly identity: string;
  readonly options: number;
  readonly nowayout: boolean;
  /** Seconds to the reset for one second of timeout: the hardware's truth, not the driver's. */
  readonly factor: number;
  /** Takes timeouts in multiples of this, rounding up. */
  readonly roundsToSeconds: number;
  /** Refuses timeouts below this. */
  readonly leastSeconds: number;
  /** A new timeout is in force from the next pet on only. */
  readonly lazy: boolean;
  /** Reports no timeout back. */
  readonly mute: boolean;
};

/** WDIOF_MAGICCLOSE of linux/watchdog.h. */
export const MAGICCLOSE = 0x0100;
export const SETTIMEOUT = 0x0080;
export const ALARMONLY = 0x0400;
const TIMEOUT_SECONDS_AT_LOAD = 60;
const TIMEOUT_SECONDS_MAX = 600;

export type Pet = {
  readonly atMs: number;
  readonly by: "open" | "set" | "petter" | "latched" | "close";
};

/**
 * Opening an idle watchdog, setting its timeout, each pet, and closing it without 'V' all pet it;
 * opening one that ticks does not (Linux, drivers/watchdog/watchdog_dev.c; measured). It fires one
 * effective timeout after the last pet.
 */
export class KernelWatchdog {
  readonly driver: WatchdogDriver;
  readonly pets: Pet[] = [];
  readonly openings: number[] = [];
  ticking = false;
  timeoutSeconds = TIMEOUT_SECONDS_AT_LOAD;
  /** How long the driver takes to open and set it. */
  opensInMs = 0;
  /** Its driver is not loaded, or another process has it open. */
  away: "unloaded" | "held" | null = null;
  /** Pets fail in the driver. */
  broken = false;
  #inForceSeconds = TIMEOUT_SECONDS_AT_LOAD;
  #isOpen = false;
  #lastPetMs = -Infinity;

  constructor(driver: WatchdogDriver) {
    this.driver = driver;
  }

  /** When it resets the machine; Infinity while it does not tick. */
  get firesMs(): number {
    const lifeMs = Math.ceil(this.#inForceSeconds * 1_000 * this.driver.factor);
    return this.ticking ? this.#lastPetMs + lifeMs : Infinity;
  }

  /** Started before any agent: by firmware, or by a predecessor. */
  startedBefore(nowMs: number): void {
    this.ticking = true;
    this.#lastPetMs = nowMs;
  }

  open(nowMs: number): void {
    if (this.away !== null) throw new Error(this.away === "held" ? "EBUSY" : "ENOENT");
    this.#isOpen = true;
    this.openings.push(nowMs);
    if (!this.ticking) this.#pet(nowMs, "open");
    this.ticking = true;
  }

  /** WDIOC_SETTIMEOUT, then what WDIOC_GETTIMEOUT says. A refused timeout changes and pets nothing. */
  set(timeoutSeconds: number, nowMs: number): number | null | "refused" {
    const { roundsToSeconds, leastSeconds, mute } = this.driver;
    if (timeoutSeconds < leastSeconds) return "refused";
    this.timeoutSeconds = Math.ceil(timeoutSeconds / roundsToSeconds) * roundsToSeconds;
    this.#pet(nowMs, "set");
    return mute ? null : this.timeoutSeconds;
  }

  setMaximum(nowMs: number): void {
    this.set(TIMEOUT_SECONDS_MAX, nowMs);
  }

  /** Returns whether the driver took it. */
  pet(nowMs: number, by: "petter" | "latched"): boolean {
    if (!this.broken) this.#pet(nowMs, by);
    return !this.broken;
  }

  /** `magic`: 'V' was the last byte written. */
  close(nowMs: number, ending: "magic" | "without"): "stopped" | "petted" | "was-closed" {
    if (!this.#isOpen) return "was-closed";
    this.#isOpen = false;
    const { nowayout, options } = this.driver;
    if (!nowayout && (ending === "magic" || (options & MAGICCLOSE) === 0)) {
      this.ticking = false;
      return "stopped";
    }
    this.#pet(nowMs, "close");
    return "petted";
  }

  /** The kernel's reboot notifier, where `stop_on_reboot` is set. */
  stop(): void {
    this.ticking = false;
  }

  /** The machine sleeps, and so does the hardware. */
  sleep(forMs: number): void {
    this.#lastPetMs += forMs;
  }

  #pet(nowMs: number, by: Pet["by"]): void {
    this.#lastPetMs = nowMs;
    if (by !== "set" || !this.driver.lazy) this.#inForceSeconds = this.timeoutSeconds;
    this.pets.push({ atMs: nowMs, by });
  }
}
