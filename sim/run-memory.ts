import type { BareMessageKey, LatchMark } from "../src/agent/effect.ts";
import type { BootMemory } from "../src/agent/agent-config.ts";

/** What src/platform/host-state.ts keeps under /run: it outlives the process and ends with the boot. */
export class RunMemory {
  writable = true;
  mark: LatchMark | null = null;
  /** The slot that its SBDNode last told; null before. */
  slot: number | null = null;
  #firstRead: readonly BareMessageKey[] | null = null;
  #deviceUUID: string | null = null;
  #unclean = 0;
  #unconfirmedWrite = false;
  #running = false;

  beginStart(): BootMemory {
    this.#unconfirmedWrite ||= this.#running;
    const memory: BootMemory = {
      mark: this.mark,
      firstRead: this.#firstRead,
      deviceUUID: this.#deviceUUID,
      unconfirmedWrite: this.#unconfirmedWrite,
      uncleanStarts: this.#unclean,
    };
    this.#unclean += 1;
    this.#running = true;
    return memory;
  }

  /** @throws Error where another device owns the host in this boot */
  keepFirstRead(deviceUUID: string, messages: readonly BareMessageKey[]): void {
    this.#requireWritable();
    if (this.#deviceUUID !== null && this.#deviceUUID !== deviceUUID) {
      throw new Error("OWNED");
    }
    this.#deviceUUID = deviceUUID;
    this.#firstRead ??= messages;
  }

  keepMark(mark: LatchMark): void {
    this.#requireWritable();
    this.mark ??= mark;
  }

  recordSlot(nodeID: number): void {
    this.#requireWritable();
    this.slot = nodeID;
  }

  forgetUncleanStarts(): void {
    this.#unclean = 0;
  }

  endInOrder({ unconfirmedWrite }: { readonly unconfirmedWrite: boolean }): void {
    this.#requireWritable();
    this.#unconfirmedWrite ||= unconfirmedWrite;
    this.#unclean = 0;
    this.#running = false;
  }

  disown(): void {
    this.#deviceUUID = null;
  }

  #requireWritable(): void {
    if (!this.writable) {
      throw new Error("EROFS");
    }
  }
}
