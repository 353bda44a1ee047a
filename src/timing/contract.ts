/** T and W, the two numbers everything else follows from. Both stand in the device header. */
export type TimingContract = {
  /** T: how long an agent lives on after the start of its last good pass. */
  readonly timeoutMs: number;
  /** W: the longest time the watchdog hardware may take from its last pet to the reset. */
  readonly watchdogMs: number;
};

/** Every interval and bound of the protocol, derived from the contract. */
export type Timing = TimingContract & {
  /** p: from the start of one pass to the start of the next. */
  readonly passIntervalMs: number;
  /** How often the petter pets. */
  readonly petIntervalMs: number;
  /** What is added to every bound for rounding, clock tolerance and late timers. */
  readonly slackMs: number;
  /** T + 2W: the longest an armed boot lives after a durable message that it cannot read. */
  readonly longestLifeMs: number;
  /** M = T + 2W + slack: how long a fencer waits before silence can prove death. */
  readonly msgwaitMs: number;
  /** 2W + slack: how long a fencer waits at most after it has seen an acknowledgement. */
  readonly acknowledgedWaitMs: number;
};

/** A configuration that would break the argument, with the arithmetic in the message. */
export class TimingError extends Error {
  override readonly name = "TimingError";
}

/** T below this leaves no room for a storage failover; above it nobody waits. */
export const TIMEOUT_MS_MIN = 3_000;
export const TIMEOUT_MS_MAX = 3_600_000;
/** Watchdog drivers count whole seconds, and a petter needs room for four pets. */
export const WATCHDOG_MS_MIN = 2_000;
export const WATCHDOG_MS_MAX = 600_000;

const PASS_INTERVAL_MS_MAX = 1_000;
const SLACK_MS_MIN = 2_000;
const SLACK_SHARE = 0.05;

/**
 * Derives every bound from T and W.
 *
 * M is T + **2**W because closing the watchdog without the magic character pets it: a process that
 * dies just before the watchdog fires gives the machine one more W (measured: W = 10 s, killed at
 * 9 s, reset at 19 s). The folk rule of twice the watchdog timeout is not safe.
 *
 * @throws {TimingError} when T or W is out of range
 */
export function deriveTiming({ timeoutMs, watchdogMs }: TimingContract): Timing {
  requireWithin("T (sbdTimeoutSeconds)", timeoutMs, TIMEOUT_MS_MIN, TIMEOUT_MS_MAX);
  requireWithin("W (watchdogTimeoutSeconds)", watchdogMs, WATCHDOG_MS_MIN, WATCHDOG_MS_MAX);
  const longestLifeMs = timeoutMs + 2 * watchdogMs;
  const slackMs = slackFor(longestLifeMs);
  return {
    timeoutMs,
    watchdogMs,
    passIntervalMs: Math.min(PASS_INTERVAL_MS_MAX, Math.floor(timeoutMs / 10)),
    petIntervalMs: Math.floor(watchdogMs / 4),
    slackMs,
    longestLifeMs,
    msgwaitMs: longestLifeMs + slackMs,
    acknowledgedWaitMs: 2 * watchdogMs + slackMs,
  };
}

/**
 * 2W' + slack: how long a fencer waits after it has seen an acknowledgement that says which timeout is
 * in force since. The slack is of this wait: T is no part of it, for a latched agent pets no more.
 */
export function acknowledgedWaitMs(timing: Timing, inForceMs: number): number {
  return inForceMs === timing.watchdogMs
    ? timing.acknowledgedWaitMs
    : 2 * inForceMs + slackFor(2 * inForceMs);
}

/** What is added to a wait for rounding, clock tolerance and late timers. */
function slackFor(waitMs: number): number {
  return Math.max(SLACK_MS_MIN, Math.ceil(waitMs * SLACK_SHARE));
}

/** The longer of each number: what a fencer counts with when header and target differ. */
export function longerContract(a: TimingContract, b: TimingContract): TimingContract {
  return {
    timeoutMs: Math.max(a.timeoutMs, b.timeoutMs),
    watchdogMs: Math.max(a.watchdogMs, b.watchdogMs),
  };
}

/** By the longest that any agent may live by, as far as a contract may say it. */
export function longestTiming(first: TimingContract, others: readonly TimingContract[]): Timing {
  const { timeoutMs, watchdogMs } = others.reduce<TimingContract>(
    (longest, other) => longerContract(longest, other),
    first,
  );
  return deriveTiming({
    timeoutMs: Math.min(timeoutMs, TIMEOUT_MS_MAX),
    watchdogMs: Math.min(watchdogMs, WATCHDOG_MS_MAX),
  });
}

/** W where the administrator names none: half of T, whole seconds, within what drivers take. */
export function defaultWatchdogMs(timeoutMs: number): number {
  const halfSeconds = Math.round(timeoutMs / 2_000);
  return Math.min(60, Math.max(WATCHDOG_MS_MIN / 1_000, halfSeconds)) * 1_000;
}

/** The inequality in the words an administrator can check: `6 s + 2 × 4 s + 2 s = 16 s`. */
export function msgwaitArithmetic(timing: Timing): string {
  return (
    `M = T + 2W + slack = ${seconds(timing.timeoutMs)} + 2 × ${seconds(timing.watchdogMs)} + ` +
    `${seconds(timing.slackMs)} = ${seconds(timing.msgwaitMs)}`
  );
}

/** `1500` → `1.5 s`. */
export function seconds(ms: number): string {
  return `${Number((ms / 1_000).toFixed(3))} s`;
}

function requireWithin(what: string, valueMs: number, minMs: number, maxMs: number): void {
  if (!Number.isSafeInteger(valueMs) || valueMs < minMs || valueMs > maxMs) {
    throw new TimingError(
      `Cannot derive the timing contract as ${what} must be ${seconds(minMs)} to ${seconds(maxMs)} ` +
        `in whole milliseconds: current value is ${valueMs} ms. No node can be armed or fenced with ` +
        `it; choose another value.`,
    );
  }
}
