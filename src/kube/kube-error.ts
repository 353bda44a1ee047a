/**
 * - `UNREACHABLE`    no connection, or it was cut before the answer was complete
 * - `TIMEOUT`        no complete answer in time; what was asked for may still be done
 * - `ABORTED`        the caller gave up; what was asked for may still be done
 * - `UNAUTHORIZED`   401: the credentials do not count
 * - `FORBIDDEN`      403: not allowed
 * - `REFUSED`        400, 405, 415, 422 and other 4xx: not valid; asking again is of no use
 * - `NOT_FOUND`      404
 * - `CONFLICT`       409: the object is another one than the caller thought, or is there already
 * - `GONE`           410: the resource version is too old
 * - `OVERLOADED`     429: ask again after `retryAfterMs`
 * - `SERVER`         5xx
 * - `BAD_ANSWER`     the answer cannot be read
 */
export type KubeErrorCode =
  | "UNREACHABLE"
  | "TIMEOUT"
  | "ABORTED"
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "REFUSED"
  | "NOT_FOUND"
  | "CONFLICT"
  | "GONE"
  | "OVERLOADED"
  | "SERVER"
  | "BAD_ANSWER";

/** Thrown where the API server did not do what it was asked for. */
export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly code: KubeErrorCode;
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** What the server asks its clients to wait; null where it does not say. */
  readonly retryAfterMs: number | null;

  constructor(
    code: KubeErrorCode,
    message: string,
    options: ErrorOptions & {
      readonly status?: number;
      readonly retryAfterMs?: number | null;
    } = {},
  ) {
    super(message, options);
    this.code = code;
    this.status = options.status ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** The code for an HTTP status that is not a success. */
export function codeOfStatus(status: number): KubeErrorCode {
  switch (status) {
    case 401:
      return "UNAUTHORIZED";
    case 403:
      return "FORBIDDEN";
    case 404:
      return "NOT_FOUND";
    case 409:
      return "CONFLICT";
    case 410:
      return "GONE";
    case 429:
      return "OVERLOADED";
    default:
      return status >= 500 ? "SERVER" : "REFUSED";
  }
}
