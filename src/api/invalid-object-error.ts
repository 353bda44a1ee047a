/**
 * Why an object from the API server was not accepted.
 *
 * - `WRONG_KIND`    another kind or apiVersion than the caller asked for
 * - `BAD_FIELD`     a field is missing or outside its range
 * - `NO_NODE`       a remediation names no node
 * - `TWO_NODES`     a remediation names two different nodes
 */
export type InvalidObjectCode = "WRONG_KIND" | "BAD_FIELD" | "NO_NODE" | "TWO_NODES";

/** An object that cannot be worked with. `code` is for programs, `message` for people. */
export class InvalidObjectError extends Error {
  override readonly name = "InvalidObjectError";
  readonly code: InvalidObjectCode;

  constructor(code: InvalidObjectCode, message: string) {
    super(message);
    this.code = code;
  }
}
