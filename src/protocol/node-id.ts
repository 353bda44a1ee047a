/** Slots for nodes on one device, and the largest node ID. */
export const SBD_MAX_NODES = 255;

/** Whether a node can have this ID, and so a slot: 1..255. Slot 0 holds the device header. */
export function isValidNodeID(nodeID: number): boolean {
  return Number.isInteger(nodeID) && nodeID >= 1 && nodeID <= SBD_MAX_NODES;
}
