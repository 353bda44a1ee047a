const TIMEOUT_MS_MIN = 500;
const TIMEOUT_MS_MAX = 5_000;
const TIMEOUT_MS_UNTIL_KNOWN = 2_000;

/**
 * How long a request to the API server may take: a quarter of T within bounds, which docs/safety.md, "A
 * slow API", shows to keep a node without storage alive.
 *
 * @param deviceTimeoutMs T; null where it is not known yet
 */
export function apiTimeoutMs(deviceTimeoutMs: number | null): number {
  return deviceTimeoutMs === null
    ? TIMEOUT_MS_UNTIL_KNOWN
    : Math.min(TIMEOUT_MS_MAX, Math.max(TIMEOUT_MS_MIN, deviceTimeoutMs / 4));
}
