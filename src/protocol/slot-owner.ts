import { ProtocolError } from "./error.ts";
import { isValidNodeID, SBD_MAX_NODES } from "./node-id.ts";

/** @throws ProtocolError `BAD_NODE_ID` unless a node can have this ID */
export function requireNodeID(nodeID: number): void {
  if (isValidNodeID(nodeID)) return;
  throw new ProtocolError(
    "BAD_NODE_ID",
    `Cannot use the slot as a node ID must be an integer of 1..${SBD_MAX_NODES}: current value is ${nodeID}`,
  );
}

/** @throws ProtocolError `BAD_NODE_ID` unless the sender of a fence message is 0..255 */
export function requireSender(senderID: number): void {
  if (senderID === 0 || isValidNodeID(senderID)) return;
  throw new ProtocolError(
    "BAD_NODE_ID",
    `Cannot accept the fence message as its sender must be 0..${SBD_MAX_NODES}: current value is ${senderID}`,
  );
}

/** @throws ProtocolError `BAD_NODE_ID` unless what stands in a slot is meant for that slot */
export function requireOwner(found: number, slot: number): void {
  if (found === slot) return;
  throw new ProtocolError(
    "BAD_NODE_ID",
    `Cannot accept the record as it is for slot ${found} and stands in slot ${slot}`,
  );
}
