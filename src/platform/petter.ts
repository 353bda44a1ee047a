import { describeErrno, errnoName } from "./errno.ts";
import { native, type PetterStart, type PetterStats } from "./native.ts";

/**
 * - `ALREADY_RUNNING`  there is one petter a process
 * - `LATCHED`          this process has latched, for good
 * - `DEADLINE_PASSED`  the deadline has passed, in this process or as given
 * - `START_FAILED`     the kernel gave no thread or timer
 * - `STILL_PETTING`    a pet is blocked in the driver and may still come
 */
export type PetterErrorCode =
  | "ALREADY_RUNNING"
  | "LATCHED"
  | "DEADLINE_PASSED"
  | "START_FAILED"
  | "STILL_PETTING";

/** Thrown where the petter does not start or stop. */
export class PetterError extends Error {
  override readonly name = "PetterError";
  readonly code: PetterErrorCode;

  constructor(code: PetterErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What became of a push; after anything but `pushed` this process pets no more. */
export type PushOutcome = "pushed" | "latched" | "deadline-passed" | "not-running";

/**
 * Starts the petter of this process: a pet at once, then one each period, as long as the clock of
 * `native.livedNs` is before the deadline. When the deadline passes, it writes "b" to `sysrqFd` and
 * never pets again in this process. Threads of its own do all that, whatever JavaScript does.
 *
 * @throws PetterError `ALREADY_RUNNING`, `LATCHED`, `DEADLINE_PASSED`, `START_FAILED`
 */
export function startPetter(options: PetterStart): void {
  const result = native.petterStart(options);
  if (result === 0) return;
  switch (errnoName(result)) {
    case "EALREADY":
      throw new PetterError("ALREADY_RUNNING", "Cannot start the petter as it runs already");
    case "EPERM":
      throw new PetterError(
        "LATCHED",
        "Cannot start the petter as this process obeys a fence message; the node is to reboot",
      );
    case "ETIME":
      throw new PetterError(
        "DEADLINE_PASSED",
        `Cannot start the petter as its deadline has passed, so the last good pass is too long ago ` +
          `and the watchdog stays unarmed. Start a new process once the device can be read again.`,
      );
    default:
      throw new PetterError(
        "START_FAILED",
        `Cannot start the petter (${describeErrno(result)}), so the watchdog stays unarmed and this node is not ` +
          `protected. Check the container's limits on threads and descriptors.`,
      );
  }
}

/** Moves the deadline forward, never back. Does not block. */
export function pushDeadline(deadlineNs: bigint): PushOutcome {
  const result = native.petterPush(deadlineNs);
  if (result === 0) return "pushed";
  switch (errnoName(result)) {
    case "EPERM":
      return "latched";
    case "ETIME":
      return "deadline-passed";
    case "ESRCH":
      return "not-running";
    default:
      throw new TypeError(`Cannot push the deadline ${deadlineNs}: ${describeErrno(result)}`);
  }
}

/**
 * Ends petting for the life of the process; the deadline stands and still reboots the node.
 * `pet-in-driver`: latched too, but one pet that began before may still reach the watchdog.
 */
export function latchPetter(): "latched" | "pet-in-driver" {
  return native.petterLatch() === 0 ? "latched" : "pet-in-driver";
}

/**
 * Ends the threads and leaves the watchdog open and ticking. When it returns, no pet can come; blocks
 * for up to 2 s where a driver does.
 *
 * @throws PetterError `LATCHED`, `STILL_PETTING`: do not release the watchdog then
 */
export function stopPetter(): void {
  const result = native.petterStop();
  if (result === 0) return;
  if (errnoName(result) === "EPERM") {
    throw new PetterError(
      "LATCHED",
      "Cannot stop the petter as this process obeys a fence message; the node is to reboot",
    );
  }
  throw new PetterError(
    "STILL_PETTING",
    `Cannot stop the petter (${describeErrno(result)}) as a pet is blocked in the watchdog's driver and may still ` +
      `come. Leave the watchdog armed: it resets the node unless the driver recovers.`,
  );
}

/** What the petter did so far. */
export function petterStats(): PetterStats {
  return native.petterStats();
}
