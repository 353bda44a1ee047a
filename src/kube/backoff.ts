/** How long to wait between tries that fail. */
export type Backoff = { readonly minMs: number; readonly maxMs: number };

/**
 * Wait before try number `failures` + 1: doubled with each failure up to a bound, and scattered over
 * its upper half, so that clients that failed together do not come back together.
 *
 * @param failures in a row so far, at least 1
 * @param random 0 up to 1
 */
export function backoffMs({ minMs, maxMs }: Backoff, failures: number, random: number): number {
  const fullMs = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 30));
  return fullMs * (0.5 + random / 2);
}
