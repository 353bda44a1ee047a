/**
 * Why bytes from the device, or values meant for it, were not accepted.
 *
 * - `TOO_SHORT`        fewer bytes than the record needs
 * - `BAD_MAGIC`        not one of our records
 * - `BAD_CHECKSUM`     CRC-32 of the header, or CRC-32C of the full record, does not fit
 * - `BAD_VERSION`      a format version this program does not know
 * - `BAD_TYPE`         a message type this program does not know, or not the one asked for
 * - `BAD_NODE_ID`      a node ID or slot outside 1..255, or not the slot's own
 * - `BAD_REASON`       a fence reason this program does not know
 * - `BAD_FIELD`        a field outside its range, or text that is not valid
 */
export type ProtocolErrorCode =
  | "TOO_SHORT"
  | "BAD_MAGIC"
  | "BAD_CHECKSUM"
  | "BAD_VERSION"
  | "BAD_TYPE"
  | "BAD_NODE_ID"
  | "BAD_REASON"
  | "BAD_FIELD";

/** Thrown by the wire format, and by nothing else. `code` is for programs, `message` for people. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
