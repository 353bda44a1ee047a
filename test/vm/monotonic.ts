/**
 * The host's CLOCK_MONOTONIC in milliseconds, with fractions. Every time this harness reports is
 * taken on this one clock, in one process, so any two may be subtracted.
 */
export function monoMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
