import { setTimeout as delay } from "node:timers/promises";

/** Says only when to give up: programs take ten times as long to start where others run beside them. */
const WITHIN_MS = 60_000;
const POLL_MS = 5;

/**
 * Waits for something that makes no event.
 *
 * @throws {Error} when it has not come to be after a generous while
 */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + WITHIN_MS;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`Not within ${WITHIN_MS} ms: ${what}`);
    await delay(POLL_MS);
  }
}
