import { FENCE_REGION_OFFSET_BYTES, REGION_SIZE_BYTES } from "../../src/protocol/layout.ts";
import { decodeFenceSlot } from "../../src/protocol/fence-record.ts";
import type { FenceRecord } from "../../src/protocol/fence-record.ts";
import { decodeHeartbeatSlot } from "../../src/protocol/heartbeat-record.ts";
import type { HeartbeatRecord } from "../../src/protocol/heartbeat-record.ts";
import { bounded } from "./bounded.ts";
import { monoMs } from "./monotonic.ts";
import type { SharedDisk } from "./shared-disk.ts";

/** Something that has come to stand on the SBD disk. */
export type SlotEvent = { readonly atMs: number; readonly nodeID: number } & (
  | { readonly kind: "heartbeat"; readonly record: HeartbeatRecord }
  | { readonly kind: "fence"; readonly record: FenceRecord }
);

/** A program on this machine writes to the image past the ports, where no write is announced. */
const LOOK_EVERY_MS = 20;

/**
 * Reads the SBD disk's slots from outside: guests' writes at the instant they land, writes of this
 * machine's programs within 20 ms. It rests on nothing that an agent or an operator says.
 */
export class SlotWatch {
  readonly events: SlotEvent[] = [];
  readonly #disk: SharedDisk;
  readonly #strideBytes: number;
  readonly #heartbeats = new Map<number, { readonly record: HeartbeatRecord; atMs: number }>();
  readonly #nonces = new Set<string>();
  readonly #waiting = new Set<(event: SlotEvent) => void>();
  readonly #nodeIDs: readonly number[];
  readonly #timer: NodeJS.Timeout;

  constructor(disk: SharedDisk, strideBytes: number, nodeIDs: readonly number[]) {
    this.#disk = disk;
    this.#strideBytes = strideBytes;
    this.#nodeIDs = nodeIDs;
    disk.onWrite(({ offset, data }) => {
      const nodeID = Math.floor((offset % FENCE_REGION_OFFSET_BYTES) / strideBytes);
      if (data.length <= strideBytes && nodeIDs.includes(nodeID)) {
        if (offset < REGION_SIZE_BYTES) this.#lookAtHeartbeat(nodeID);
        else if (offset >= FENCE_REGION_OFFSET_BYTES) this.#lookAtFence(nodeID);
      }
    });
    this.#timer = setInterval(() => {
      for (const nodeID of nodeIDs) this.#lookAtFence(nodeID);
    }, LOOK_EVERY_MS);
  }

  /** The last readable heartbeat in that slot. */
  heartbeat(nodeID: number): HeartbeatRecord | undefined {
    return this.#heartbeats.get(nodeID)?.record;
  }

  /** Every node whose last heartbeat, since `sinceMs`, is armed and has seen all the others move. */
  ready(sinceMs: number): readonly number[] {
    return this.#nodeIDs.filter((nodeID) => {
      const { record, atMs = -Infinity } = this.#heartbeats.get(nodeID) ?? {};
      return (
        atMs > sinceMs &&
        record?.armed === true &&
        this.#nodeIDs.every((other) => other === nodeID || record.moving.includes(other))
      );
    });
  }

  /** The first event after `sinceMs` that is wanted, waiting at most `boundMs` for it. */
  async first(
    what: string,
    sinceMs: number,
    boundMs: number,
    wanted: (event: SlotEvent) => boolean,
  ): Promise<SlotEvent> {
    const seen = this.events.find((event) => event.atMs > sinceMs && wanted(event));
    if (seen !== undefined) return seen;
    let listener: ((event: SlotEvent) => void) | undefined;
    const coming = new Promise<SlotEvent>((resolve) => {
      listener = (event) => {
        if (wanted(event)) resolve(event);
      };
      this.#waiting.add(listener);
    });
    try {
      return await bounded(coming, boundMs, what);
    } finally {
      if (listener !== undefined) this.#waiting.delete(listener);
    }
  }

  /** Everything that came to stand on the disk, a line each; times are this machine's monotonic. */
  history(): string {
    return this.events
      .map(({ atMs, nodeID, ...event }) => {
        const record = JSON.stringify(event.record, (_, value: unknown) =>
          typeof value === "bigint" ? String(value) : value,
        );
        return `${(atMs / 1000).toFixed(3)} slot ${nodeID} ${event.kind} ${record}\n`;
      })
      .join("");
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #lookAtHeartbeat(nodeID: number): void {
    const slot = decodeHeartbeatSlot(this.#read(0, nodeID), nodeID);
    if (slot.kind !== "heartbeat") return;
    const { record } = slot;
    const atMs = monoMs();
    this.#heartbeats.set(nodeID, { record, atMs });
    this.#tell({ kind: "heartbeat", nodeID, record, atMs });
  }

  #lookAtFence(nodeID: number): void {
    const slot = decodeFenceSlot(this.#read(FENCE_REGION_OFFSET_BYTES, nodeID), nodeID);
    if (slot.kind !== "fence" || this.#nonces.has(slot.record.nonce)) return;
    this.#nonces.add(slot.record.nonce);
    this.#tell({ kind: "fence", nodeID, record: slot.record, atMs: monoMs() });
  }

  #read(start: number, nodeID: number): Buffer {
    return this.#disk.read(start + nodeID * this.#strideBytes, this.#strideBytes);
  }

  #tell(event: SlotEvent): void {
    this.events.push(event);
    for (const listener of this.#waiting) listener(event);
  }
}
