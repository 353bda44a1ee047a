import { backoffMs, type Backoff } from "./backoff.ts";
import type { KubeErrorCode } from "./kube-error.ts";

/**
 * What a failure means for asking again; the same for agent, fencer and operator.
 *
 * - `stale`      the object is another one than was thought: look again, the first time at once
 * - `transient`  it passes: the same again, later and later
 * - `permanent`  the same again would be refused again; somebody has to change something
 */
export const ERROR_CLASSES = ["stale", "transient", "permanent"] as const;
export type ErrorClass = (typeof ERROR_CLASSES)[number];

/**
 * Code by code. After a restart of the API server every service account is refused for less than a
 * second, until it has read its roles; a rotated token counts a moment late. What is refused for
 * longer than `REFUSED_FOR_A_MOMENT_MS` is not allowed.
 */
const CLASSES: Readonly<Record<KubeErrorCode, ErrorClass | "transient-for-a-moment">> = {
  UNREACHABLE: "transient",
  TIMEOUT: "transient",
  ABORTED: "transient",
  UNAUTHORIZED: "transient-for-a-moment",
  FORBIDDEN: "transient-for-a-moment",
  REFUSED: "permanent",
  NOT_FOUND: "stale",
  CONFLICT: "stale",
  GONE: "stale",
  OVERLOADED: "transient",
  SERVER: "transient",
  BAD_ANSWER: "transient",
};

export const REFUSED_FOR_A_MOMENT_MS = 5_000;

/** Waits between tries. A permanent error is looked at again, seldom: roles and schemas are changed by hand. */
export const BACKOFFS: Readonly<Record<ErrorClass, Backoff>> = {
  stale: { minMs: 50, maxMs: 1_000 },
  transient: { minMs: 250, maxMs: 5_000 },
  permanent: { minMs: 30_000, maxMs: 10 * 60_000 },
};

/** What a server may ask its clients to wait; longer is not believed. */
const RETRY_AFTER_MS_MAX = 30_000;

/** As much of a KubeError as is judged. */
export type Failure = {
  readonly code: KubeErrorCode;
  readonly message: string;
  readonly retryAfterMs: number | null;
};

/** Where something that keeps failing stands. */
export type Retry = {
  readonly class: ErrorClass;
  /** In a row and of that class. */
  readonly failures: number;
  /** Since when it fails. */
  readonly sinceMs: number;
  /** Not to be tried before. */
  readonly untilMs: number;
};

/**
 * After one more failure.
 *
 * @param before null: the try before succeeded
 * @param nowMs on a clock that does not jump
 * @param random 0 up to 1
 */
export function retryAfter(
  before: Retry | null,
  { code, retryAfterMs }: Pick<Failure, "code" | "retryAfterMs">,
  nowMs: number,
  random: number,
): Retry {
  const sinceMs = before?.sinceMs ?? nowMs;
  const found = CLASSES[code];
  const isMoment = nowMs - sinceMs < REFUSED_FOR_A_MOMENT_MS;
  const errorClass =
    found === "transient-for-a-moment" ? (isMoment ? "transient" : "permanent") : found;
  const failures = before?.class === errorClass ? before.failures + 1 : 1;
  const looksAgain = errorClass === "stale" && failures === 1;
  const waitMs = looksAgain ? 0 : backoffMs(BACKOFFS[errorClass], failures, random);
  const askedMs = Math.min(retryAfterMs ?? 0, RETRY_AFTER_MS_MAX);
  return { class: errorClass, failures, sinceMs, untilMs: nowMs + Math.max(waitMs, askedMs) };
}
