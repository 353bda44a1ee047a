import type { DeviceHeader, HeaderSlot } from "../src/protocol/device-header.ts";
import type { FenceRecord, FenceSlot } from "../src/protocol/fence-record.ts";
import type { HeartbeatRecord, HeartbeatSlot } from "../src/protocol/heartbeat-record.ts";

/** What a torn write or a stray one leaves behind. */
export const GARBAGE = {
  kind: "unreadable",
  code: "BAD_CHECKSUM",
  detail: "simulated garbage",
} as const;

/**
 * The storage itself: what a read returns that reaches it. Records stay decoded, for the bytes are
 * proven elsewhere. A slot that changes leaves earlier readings as they were.
 */
export class SharedDevice {
  header: HeaderSlot;
  /** It answers apart from the storage it was a half of. */
  isHalf = false;
  /** Hears of every heartbeat written. */
  mirror: (nodeID: number, slot: HeartbeatSlot) => void = () => undefined;
  #heartbeats: ReadonlyMap<number, HeartbeatSlot> = new Map();
  #fences: ReadonlyMap<number, FenceSlot> = new Map();
  readonly #fenceChanged: (nodeID: number, slot: FenceSlot) => void;

  constructor(header: HeaderSlot, fenceChanged: (nodeID: number, slot: FenceSlot) => void) {
    this.header = header;
    this.#fenceChanged = fenceChanged;
  }

  get heartbeats(): ReadonlyMap<number, HeartbeatSlot> {
    return this.#heartbeats;
  }

  get fences(): ReadonlyMap<number, FenceSlot> {
    return this.#fences;
  }

  heartbeat(nodeID: number): HeartbeatSlot {
    return this.#heartbeats.get(nodeID) ?? { kind: "empty" };
  }

  fence(nodeID: number): FenceSlot {
    return this.#fences.get(nodeID) ?? { kind: "empty" };
  }

  putHeartbeat(nodeID: number, slot: HeartbeatSlot): void {
    this.#heartbeats = new Map(this.#heartbeats).set(nodeID, slot);
    this.mirror(nodeID, slot);
  }

  putFence(nodeID: number, slot: FenceSlot): void {
    this.#fences = new Map(this.#fences).set(nodeID, slot);
    this.#fenceChanged(nodeID, slot);
  }

  /** A copy that goes its own way from here. */
  fork(): SharedDevice {
    const copy = new SharedDevice(this.header, () => undefined);
    copy.isHalf = true;
    copy.#heartbeats = this.#heartbeats;
    copy.#fences = this.#fences;
    return copy;
  }
}

export function heartbeatSlot(record: HeartbeatRecord): HeartbeatSlot {
  return { kind: "heartbeat", record };
}

export function fenceSlot(record: FenceRecord): FenceSlot {
  return { kind: record.reason === 0 ? "cleared" : "fence", record };
}

export function headerOf(header: DeviceHeader): HeaderSlot {
  return { kind: "header", header };
}
