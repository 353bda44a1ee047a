/**
 * Why a watchdog could not be used.
 *
 * - `NOT_FOUND`          there is no watchdog at the path, or none of that name in sysfs
 * - `BUSY`               another process holds it
 * - `PERMISSION`         this process may not open it
 * - `OPEN_FAILED`        any other failure to open it
 * - `NOT_SUPPORTED`      the driver does not know the request
 * - `TIMEOUT_REFUSED`    the driver does not take the timeout
 * - `IOCTL_FAILED`       any other failure of a request
 * - `PETTER_RUNNING`     a release now could be undone by the next pet
 * - `RELEASE_FAILED`     the driver did not take the release; the watchdog is still open and ticks
 * - `CLOSED`             the caller has closed it
 */
export type WatchdogErrorCode =
  | "NOT_FOUND"
  | "BUSY"
  | "PERMISSION"
  | "OPEN_FAILED"
  | "NOT_SUPPORTED"
  | "TIMEOUT_REFUSED"
  | "IOCTL_FAILED"
  | "PETTER_RUNNING"
  | "RELEASE_FAILED"
  | "CLOSED";

/** Thrown by all that inspects or drives a watchdog. */
export class WatchdogError extends Error {
  override readonly name = "WatchdogError";
  readonly code: WatchdogErrorCode;

  constructor(code: WatchdogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
