import { ProtocolError } from "./error.ts";
import type { ProtocolErrorCode } from "./error.ts";

/** Bytes that are neither empty nor a record: never to be taken for "nothing there". */
export type Unreadable = {
  readonly kind: "unreadable";
  readonly code: ProtocolErrorCode;
  readonly detail: string;
};

/** What `decode` returns, or the ProtocolError it throws as a value. */
export function orUnreadable<T>(decode: () => T): T | Unreadable {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { kind: "unreadable", code: error.code, detail: error.message };
  }
}
