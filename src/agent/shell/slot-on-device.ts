import type { HeartbeatSlot } from "../../protocol/heartbeat-record.ts";

/**
 * The slot in which this machine has beaten under this name in an earlier boot, and stayed: its own,
 * unless its SBDNode is another by now, which the API then says. Null where there is not exactly one.
 */
export function slotOnDevice(
  heartbeats: ReadonlyMap<number, HeartbeatSlot>,
  own: { readonly nodeName: string; readonly machineID: string },
): number | null {
  const found = [...heartbeats].filter(
    ([, slot]) =>
      slot.kind === "heartbeat" &&
      slot.record.nodeName === own.nodeName &&
      slot.record.machineID === own.machineID &&
      !slot.record.leaving,
  );
  const [only, ...more] = found;
  return only === undefined || more.length > 0 ? null : only[0];
}
