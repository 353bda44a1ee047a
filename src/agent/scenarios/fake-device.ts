import {
  DEVICE_FORMAT_VERSION,
  decodeDeviceHeader,
  encodeDeviceHeader,
  type DeviceHeader,
  type HeaderSlot,
  type OnStorageLoss,
} from "../../protocol/device-header.ts";
import { decodeFenceSlot, type FenceSlot } from "../../protocol/fence-record.ts";
import { decodeHeartbeatSlot, type HeartbeatSlot } from "../../protocol/heartbeat-record.ts";

export const STRIDE_BYTES = 512;

/** What stands under the path: header and slots, as bytes. */
type Medium = {
  header: Uint8Array;
  readonly heartbeats: Map<number, Uint8Array>;
  readonly fences: Map<number, Uint8Array>;
};

/**
 * - `ok`           each operation takes `latencyMs`
 * - `hang`         operations wait until the device answers again
 * - `fail-reads`, `fail-writes`, `fail`  EIO
 * - `lose-writes`  writes are said to be done and are not
 * - `late-writes`  writes are said to have failed and land `lateMs` later
 */
export type DeviceFault =
  | "ok"
  | "hang"
  | "fail"
  | "fail-reads"
  | "fail-writes"
  | "lose-writes"
  | "late-writes";

/** The shared device as one host sees it, in real bytes of the wire format. */
export class FakeDevice {
  fault: DeviceFault = "ok";
  latencyMs = 2;
  lateMs = 0;
  /** The path leads to the file that is open. */
  samePath = true;
  #medium: Medium;
  readonly #ours: Medium;
  readonly header: DeviceHeader;

  constructor(header: DeviceHeader) {
    this.header = header;
    this.#ours = mediumWith(encodeDeviceHeader(header, STRIDE_BYTES));
    this.#medium = this.#ours;
  }

  readHeader(): HeaderSlot {
    return decodeDeviceHeader(this.#medium.header);
  }

  heartbeat(nodeID: number): HeartbeatSlot {
    return decodeHeartbeatSlot(slotOf(this.#medium.heartbeats, nodeID), nodeID);
  }

  fence(nodeID: number): FenceSlot {
    return decodeFenceSlot(slotOf(this.#medium.fences, nodeID), nodeID);
  }

  heartbeats(): Map<number, HeartbeatSlot> {
    return new Map([...this.#medium.heartbeats.keys()].map((id) => [id, this.heartbeat(id)]));
  }

  fences(): Map<number, FenceSlot> {
    return new Map([...this.#medium.fences.keys()].map((id) => [id, this.fence(id)]));
  }

  putHeartbeat(nodeID: number, bytes: Uint8Array): void {
    this.#medium.heartbeats.set(nodeID, bytes);
  }

  /** Replaces the first `bytes.length` bytes of the slot: a torn write gives fewer than all. */
  putFence(nodeID: number, bytes: Uint8Array): void {
    const slot = slotOf(this.#medium.fences, nodeID).slice();
    slot.set(bytes);
    this.#medium.fences.set(nodeID, slot);
  }

  garbleHeader(): void {
    this.#medium.header = garbage();
  }

  /** Another initialisation of the same device. */
  initialiseAgain(): void {
    this.#medium.header = encodeDeviceHeader(
      { ...this.header, generation: this.header.generation + 1 },
      STRIDE_BYTES,
    );
  }

  /** Another device under the path: blank, or somebody else's. */
  replaceWith(other: "blank" | "foreign"): void {
    const theirs = { ...this.header, deviceUUID: "ffffffff-ffff-4fff-8fff-ffffffffffff" };
    this.#medium = mediumWith(
      other === "blank" ? new Uint8Array(STRIDE_BYTES) : encodeDeviceHeader(theirs, STRIDE_BYTES),
    );
  }

  /** Our own device, its header whole again. */
  restore(): void {
    this.#medium = this.#ours;
    this.#ours.header = encodeDeviceHeader(this.header, STRIDE_BYTES);
    this.samePath = true;
  }
}

export function deviceHeader(
  timeoutMs: number,
  watchdogMs: number,
  onStorageLoss: OnStorageLoss,
): DeviceHeader {
  return {
    formatVersion: DEVICE_FORMAT_VERSION,
    deviceUUID: "dddddddd-dddd-4ddd-8ddd-dddddddddddd",
    generation: 1,
    strideBytes: STRIDE_BYTES,
    configUID: "cccccccc-cccc-4ccc-8ccc-cccccccccccc",
    clusterUID: "eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee",
    clusterName: "scenario",
    timeoutMs,
    watchdogMs,
    onStorageLoss,
    createdNs: 1_700_000_000_000_000_000n,
  };
}

export function garbage(): Uint8Array {
  return new Uint8Array(STRIDE_BYTES).fill(0xa5);
}

function mediumWith(header: Uint8Array): Medium {
  return { header, heartbeats: new Map(), fences: new Map() };
}

function slotOf(region: ReadonlyMap<number, Uint8Array>, nodeID: number): Uint8Array {
  return region.get(nodeID) ?? new Uint8Array(STRIDE_BYTES);
}
