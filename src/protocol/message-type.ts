/** A node is alive. */
export const SBD_MSG_TYPE_HEARTBEAT = 0x01;
/** A node is to die. */
export const SBD_MSG_TYPE_FENCE = 0x02;

/** Whether a type byte is one that this program understands. */
export function isValidMessageType(type: number): boolean {
  return type === SBD_MSG_TYPE_HEARTBEAT || type === SBD_MSG_TYPE_FENCE;
}

/** `HEARTBEAT`, `FENCE`, or `UNKNOWN` for any other type. */
export function getMessageTypeName(type: number): string {
  switch (type) {
    case SBD_MSG_TYPE_HEARTBEAT:
      return "HEARTBEAT";
    case SBD_MSG_TYPE_FENCE:
      return "FENCE";
    default:
      return "UNKNOWN";
  }
}
