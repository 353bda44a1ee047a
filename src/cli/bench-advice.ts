import { seconds, TIMEOUT_MS_MIN } from "../timing/contract.ts";

export type LatencySummary = {
  readonly passes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly longestMs: number;
};

export type TimeoutAdvice = { readonly timeoutSeconds: number; readonly arithmetic: string };

/** The longest time between two passes. */
const PASS_INTERVAL_MS = 1_000;

/** Of at least one pass; a percentile is the smallest latency that so many do not exceed. */
export function summariseLatencies(latenciesMs: readonly number[]): LatencySummary {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Number((sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0).toFixed(3));
  return {
    passes: sorted.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    longestMs: at(1),
  };
}

/**
 * The T that the measured storage takes. A stall begins right after a pass, so that the next one starts p
 * later and ends when the stall is over: the deadline, T after the start of the last good pass, must come
 * later than p + stall. Twice that: SBDPassOld tells at T / 2, and a failover must not be news.
 *
 * @param failoverMs the longest that a failover of the storage was measured to take; null: not measured
 */
export function adviseTimeout(latency: LatencySummary, failoverMs: number | null): TimeoutAdvice {
  const stallMs = Math.max(latency.longestMs, (failoverMs ?? 0) + latency.p999Ms);
  const wantedMs = 2 * (PASS_INTERVAL_MS + stallMs);
  const timeoutSeconds = Math.ceil(Math.max(wantedMs, TIMEOUT_MS_MIN) / 1_000);
  const stall = seconds(Math.ceil(stallMs));
  return {
    timeoutSeconds,
    arithmetic:
      `T >= 2 x (p + longest stall) = 2 x (${seconds(PASS_INTERVAL_MS)} + ${stall}) = ` +
      `${seconds(Math.ceil(wantedMs))}, in whole seconds, at least ${seconds(TIMEOUT_MS_MIN)}: ${timeoutSeconds} s`,
  };
}
