import { EXIT_CODE, type ExitCode } from "./exit-code.ts";
import type { JsonObject } from "./json.ts";

/** Why a command did not do what was asked: `error.code` of the JSON answer, and its exit code. */
export const CLI_ERRORS = {
  USAGE: [EXIT_CODE.usage, "a command, option or value that cannot be meant"],
  DEVICE: [EXIT_CODE.failed, "the shared device could not be opened, read or written"],
  DEVICE_SILENT: [EXIT_CODE.failed, "the shared device did not answer in time"],
  DEVICE_VERSION: [
    EXIT_CODE.failed,
    "the shared device has a format that this version does not know",
  ],
  DEVICE_FOREIGN: [EXIT_CODE.failed, "the shared device holds somebody else's data"],
  IN_USE: [EXIT_CODE.failed, "the device was written to while it was being initialised"],
  REFUSED: [EXIT_CODE.refused, "safety forbids it"],
  NOT_CONFIRMED: [EXIT_CODE.refused, "nobody confirmed it"],
  NO_SUCH_NODE: [EXIT_CODE.failed, "there is no such node or slot, or more than one"],
  NO_SUCH_REQUEST: [EXIT_CODE.failed, "there is no such SBDRemediation, and no record of one"],
  NOT_FENCABLE: [EXIT_CODE.refused, "no message can be addressed to that node"],
  NOT_PROVEN: [EXIT_CODE.refused, "the death is not proven"],
  NOT_BACK: [EXIT_CODE.failed, "the node was proven dead and has not come back in time"],
  NOT_VERIFIED: [EXIT_CODE.refused, "the report's proof does not follow from what it records"],
  NOT_WRITTEN: [EXIT_CODE.failed, "the message was not read back as written"],
  FINDINGS: [EXIT_CODE.failed, "something was found that would hinder a fencing"],
  WATCHDOG: [EXIT_CODE.failed, "the watchdog could not be used"],
  NO_RESET: [EXIT_CODE.failed, "the watchdog did not reset the machine"],
  API: [EXIT_CODE.failed, "the API server is out of reach, or refused what was asked"],
  FILE: [EXIT_CODE.failed, "a file could not be read or written"],
  UNEXPECTED: [EXIT_CODE.failed, "a fault of sbdctl itself"],
} as const satisfies Readonly<Record<string, readonly [ExitCode, string]>>;

export type CliErrorCode = keyof typeof CLI_ERRORS;

/**
 * Ends a command. `document` goes into its JSON answer beside `error`; `text` is the answer for
 * people where there is one in spite of the failure.
 */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  readonly document: JsonObject;
  readonly text: string;

  constructor(code: CliErrorCode, message: string, document: JsonObject = {}, text = "") {
    super(message);
    this.code = code;
    this.document = document;
    this.text = text;
  }

  get exitCode(): ExitCode {
    return CLI_ERRORS[this.code][0];
  }
}
