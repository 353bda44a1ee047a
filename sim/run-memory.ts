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

  /** False = it could not be written, or another device owns the host in this boot. */
  keepFirstRead(deviceUUID: string, messages: readonly BareMessageKey[]): boolean {
    if (!this.writable || (this.#deviceUUID !== null && this.#deviceUUID !== deviceUUID)) {
      return false;
    }
    this.#deviceUUID = deviceUUID;
    this.#firstRead ??= messages;
    return true;
  }

  keepMark(mark: LatchMark): boolean {
    if (this.writable) {
      this.mark ??= mark;
    }
    return this.writable;
  }

  forgetUncleanStarts(): void {
    this.#unclean = 0;
  }

  noteUnconfirmedWrite(): void {
    this.#unconfirmedWrite = true;
  }

  endInOrder({ released }: { readonly released: boolean }): void {
    this.#unclean = 0;
    this.#running = false;
    if (released) {
      this.#deviceUUID = null;
    }
  }
}
