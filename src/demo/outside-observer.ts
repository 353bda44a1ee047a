import type { SlotDevice } from "../platform/slot-device.ts";
import type { FenceRecord } from "../protocol/fence-record.ts";
import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";
import { monotonicMs } from "../testing/virtual-node.ts";

export type Observed =
  | { readonly kind: "fence-message"; readonly record: FenceRecord; readonly tMs: number }
  | { readonly kind: "acknowledged"; readonly record: HeartbeatRecord; readonly tMs: number }
  | { readonly kind: "beats"; readonly record: HeartbeatRecord; readonly tMs: number };

const LOOK_EVERY_MS = 20;

/**
 * Watches one node's slots from outside, through a descriptor of its own, so that what the demo says
 * of the device does not rest on what the agents say.
 *
 * @returns what ends the watching
 */
export function observeSlots(
  device: SlotDevice,
  nodeID: number,
  on: (observed: Observed) => void,
): () => void {
  const nonces = new Set<string>();
  const acknowledged = new Set<string>();
  const boots = new Set<string>();
  const look = (): void => {
    const fence = device.readFence(nodeID);
    if (fence.kind === "fence" && !nonces.has(fence.record.nonce)) {
      nonces.add(fence.record.nonce);
      on({ kind: "fence-message", record: fence.record, tMs: monotonicMs() });
    }
    const heartbeat = device.readHeartbeat(nodeID);
    if (heartbeat.kind !== "heartbeat") {
      return;
    }
    const { record } = heartbeat;
    if (record.fenced && !acknowledged.has(record.bootID)) {
      acknowledged.add(record.bootID);
      on({ kind: "acknowledged", record, tMs: monotonicMs() });
    }
    if (!boots.has(record.bootID)) {
      boots.add(record.bootID);
      on({ kind: "beats", record, tMs: monotonicMs() });
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}
