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

/** The kernel's name of an error number, "EIO" for 5 and -5 alike; "errno 9999" if it has none. */
export function errnoName(errno: number): string {
  const name = util.getSystemErrorMap().get(-Math.abs(errno))?.[0];
  return name ?? `errno ${Math.abs(errno)}`;
}

/** Name and text of an error number: "ENOENT: no such file or directory". */
export function describeErrno(errno: number): string {
  const known = util.getSystemErrorMap().get(-Math.abs(errno));
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
