/** The wall clock's instant of an agent's last good pass, as its API process has dated it. */
export type PassInstant = {
  /** Age of the pass when it was last told; null: there was none. */
  readonly ageMs: number | null;
  /** When that was, on the API process's own clock. */
  readonly toldMs: number;
  /** RFC 3339; null: there was none. */
  readonly instant: string | null;
};

/** Less than half of the shortest pass interval. */
const SAME_PASS_MS = 250;
/** NTP slews clocks by no more. */
const SLEW_MAX = 0.1;

/**
 * Dates a good pass, and each pass once. Leaders take an agent for well whose last pass changes: an
 * instant worked out anew from each age would flutter with clocks that differ by a millisecond, and
 * make an agent that has had no good pass for hours a fencer.
 *
 * @param ageMs of the last good pass, as the core process tells it now
 */
export function datePass(
  before: PassInstant | null,
  ageMs: number | null,
  now: { readonly ms: number; readonly wallMs: number },
): PassInstant {
  if (ageMs === null) {
    return { ageMs, toldMs: now.ms, instant: null };
  }
  const elapsedMs = now.ms - (before?.toldMs ?? 0);
  const isSame =
    before !== null &&
    before.ageMs !== null &&
    ageMs > before.ageMs + elapsedMs * (1 - SLEW_MAX) - SAME_PASS_MS;
  return {
    ageMs,
    toldMs: now.ms,
    instant: isSame ? before.instant : new Date(now.wallMs - ageMs).toISOString(),
  };
}
