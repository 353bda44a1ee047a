import { isValidNodeID } from "../protocol/node-id.ts";
import type { HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import { CliError } from "./cli-error.ts";
import { printable } from "./text-table.ts";

/** A node as an administrator names it, found on the device. */
export type NodeSlot = {
  readonly nodeID: number;
  /** Null where the slot tells no name: empty, unreadable, or a Go agent's. */
  readonly nodeName: string | null;
  readonly slot: HeartbeatSlot;
};

/**
 * The slot of a node given by name or by node ID.
 *
 * @throws {CliError} `NO_SUCH_NODE`: no slot, or more than one, is that node's
 */
export function findNodeSlot(
  given: string,
  heartbeats: ReadonlyMap<number, HeartbeatSlot>,
): NodeSlot {
  const named = [...heartbeats].filter(
    ([, slot]) => slot.kind === "heartbeat" && slot.record.nodeName === given,
  );
  const number = /^\d+$/.test(given) ? Number(given) : 0;
  const numbered = isValidNodeID(number) ? [number] : [];
  const found = [...new Set([...named.map(([nodeID]) => nodeID), ...numbered])];
  const [nodeID, ...more] = found;
  if (nodeID === undefined) {
    throw new CliError(
      "NO_SUCH_NODE",
      `No slot belongs to a node '${printable(given)}', so there is nobody to address; nothing was ` +
        `written. The device knows ${knownNames(heartbeats)}; give one of the names, or a node ID.`,
    );
  }
  if (more.length > 0) {
    throw new CliError(
      "NO_SUCH_NODE",
      `'${printable(given)}' may mean slot ${found.join(" or ")}, so nothing was written. Say which ` +
        `one: 'sbdctl device show' lists names and node IDs.`,
    );
  }
  const slot = heartbeats.get(nodeID) ?? { kind: "empty" as const };
  return { nodeID, nodeName: slot.kind === "heartbeat" ? slot.record.nodeName : null, slot };
}

function knownNames(heartbeats: ReadonlyMap<number, HeartbeatSlot>): string {
  const names = [...heartbeats].map(([nodeID, slot]) =>
    slot.kind === "heartbeat" ? `${printable(slot.record.nodeName)} (${nodeID})` : `slot ${nodeID}`,
  );
  return names.length === 0 ? "no node at all" : names.join(", ");
}
