import os from "node:os";
import util from "node:util";

/**
 * Why a system call failed. `code` is the kernel's name for it ("EIO"), `errno` its positive
 * number, and the message says which call failed on what.
 */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly code: string;
  readonly errno: number;

  constructor(errno: number, operation: string, options?: ErrorOptions) {
    super(`${operation}: ${describeErrno(errno)}`, options);
    this.code = errnoName(errno);
    this.errno = Math.abs(errno);
  }
}

/** What block devices return and Node.js has no name for; Linux's include/uapi/asm-generic/errno.h. */
const OF_STORAGE: ReadonlyMap<number, readonly [string, string]> = new Map([
  [52, ["EBADE", "invalid exchange"]],
  [62, ["ETIME", "timer expired"]],
  [67, ["ENOLINK", "link has been severed"]],
  [117, ["EUCLEAN", "structure needs cleaning"]],
  [121, ["EREMOTEIO", "remote i/o error"]],
  [123, ["ENOMEDIUM", "no medium found"]],
]);

/** The kernel's name of an error number, "EIO" for 5 and -5 alike; "errno 9999" if it has none. */
export function errnoName(errno: number): string {
  const number = Math.abs(errno);
  const known = util.getSystemErrorMap().get(-number) ?? OF_STORAGE.get(number);
  if (known !== undefined) return known[0];
  const entry = Object.entries(os.constants.errno).find(([, value]) => value === number);
  return entry?.[0] ?? `errno ${number}`;
}

/** Name and text of an error number: "ENOENT: no such file or directory". */
export function describeErrno(errno: number): string {
  const number = Math.abs(errno);
  const known = util.getSystemErrorMap().get(-number) ?? OF_STORAGE.get(number);
  return known === undefined ? errnoName(errno) : `${known[0]}: ${known[1]}`;
}

/** The value a system call returned, or `SystemError` if it returned -errno. */
export function checked(result: number, operation: string): number {
  if (result < 0) throw new SystemError(result, operation);
  return result;
}

/** The error of a `node:fs` call as a `SystemError`; anything else is returned as it is. */
export function asSystemError(error: unknown, operation: string): unknown {
  if (error instanceof Error && "errno" in error && typeof error.errno === "number")
    return new SystemError(error.errno, operation, { cause: error });
  return error;
}
