import { EXIT_CODE, type ExitCode } from "./exit-code.ts";
import type { JsonObject } from "./json.ts";

/**
 * Why a command did not do what was asked.
 *
 * - `USAGE`           a value that cannot be meant
 * - `DEVICE`          the shared device could not be opened, read or written
 * - `DEVICE_SILENT`   it did not answer in time
 * - `IN_USE`          it was written to while it was being initialised
 * - `REFUSED`         safety forbids it without `--force`
 * - `NOT_CONFIRMED`   nobody confirmed it
 * - `NO_SUCH_NODE`    no slot belongs to that node, or more than one; there is no such Node
 * - `NOT_FENCABLE`    no message can be addressed to that node
 * - `NOT_PROVEN`      a message stands and the death is not proven
 * - `NOT_WRITTEN`     the message was not read back as written
 * - `WATCHDOG`        the watchdog could not be used
 * - `NO_RESET`        the watchdog did not reset the machine
 * - `API`             the API server is out of reach, or refused what was asked of it
 */
export type CliErrorCode =
  | "USAGE"
  | "DEVICE"
  | "DEVICE_SILENT"
  | "IN_USE"
  | "REFUSED"
  | "NOT_CONFIRMED"
  | "NO_SUCH_NODE"
  | "NOT_FENCABLE"
  | "NOT_PROVEN"
  | "NOT_WRITTEN"
  | "WATCHDOG"
  | "NO_RESET"
  | "API";

const EXIT_CODE_OF: Readonly<Record<CliErrorCode, ExitCode>> = {
  USAGE: EXIT_CODE.usage,
  DEVICE: EXIT_CODE.failed,
  DEVICE_SILENT: EXIT_CODE.failed,
  IN_USE: EXIT_CODE.failed,
  REFUSED: EXIT_CODE.refused,
  NOT_CONFIRMED: EXIT_CODE.refused,
  NO_SUCH_NODE: EXIT_CODE.failed,
  NOT_FENCABLE: EXIT_CODE.refused,
  NOT_PROVEN: EXIT_CODE.refused,
  NOT_WRITTEN: EXIT_CODE.failed,
  WATCHDOG: EXIT_CODE.failed,
  NO_RESET: EXIT_CODE.failed,
  API: EXIT_CODE.failed,
};

/** Ends a command. `document` goes into its JSON answer beside `error`. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  readonly document: JsonObject;

  constructor(code: CliErrorCode, message: string, document: JsonObject = {}) {
    super(message);
    this.code = code;
    this.document = document;
  }

  get exitCode(): ExitCode {
    return EXIT_CODE_OF[this.code];
  }
}
