import { SBD_MAX_NODES } from "./node-id.ts";

/**
 * The slots of one region as they were read last. What a slot holds follows from its bytes alone, so a
 * slot whose bytes did not change is not decoded again: the same object stands for it.
 */
export class SlotMemory<Slot extends { readonly kind: string }> {
  readonly #decode: (bytes: Uint8Array, nodeID: number) => Slot;
  #strideBytes = 0;
  #words: Int32Array = new Int32Array(0);
  #slots: ReadonlyMap<number, Slot> = new Map();

  /** @param decode what a slot holds; its result must not depend on anything but its arguments */
  constructor(decode: (bytes: Uint8Array, nodeID: number) => Slot) {
    this.#decode = decode;
  }

  /**
   * Every slot of 1..255 that is not empty.
   *
   * @param bytes 256 × `strideBytes`, read in one piece and not to be changed afterwards
   */
  read(bytes: Uint8Array, strideBytes: number): ReadonlyMap<number, Slot> {
    const words = wordsOf(bytes);
    const known = this.#strideBytes === strideBytes && this.#words.length === words.length;
    const slots = new Map(known ? this.#slots : []);
    for (let nodeID = 1; nodeID <= SBD_MAX_NODES; nodeID += 1) {
      const at = nodeID * strideBytes;
      if (known && sameWords(this.#words, words, at >> 2, (at + strideBytes) >> 2)) continue;
      const slot = this.#decode(bytes.subarray(at, at + strideBytes), nodeID);
      if (slot.kind === "empty") slots.delete(nodeID);
      else slots.set(nodeID, slot);
    }
    this.#strideBytes = strideBytes;
    this.#words = words;
    this.#slots = slots;
    return slots;
  }
}

/** What a region shows that it did not show before; a slot that became empty is listed as null. */
export type SlotChanges<Slot> = readonly (readonly [nodeID: number, slot: Slot | null])[];

export function changesBetween<Slot>(
  before: ReadonlyMap<number, Slot>,
  after: ReadonlyMap<number, Slot>,
): SlotChanges<Slot> {
  const gone = [...before.keys()].filter((nodeID) => !after.has(nodeID));
  const changed = [...after].filter(([nodeID, slot]) => before.get(nodeID) !== slot);
  return [...gone.map((nodeID) => [nodeID, null] as const), ...changed];
}

export function withChanges<Slot>(
  before: ReadonlyMap<number, Slot>,
  changes: SlotChanges<Slot>,
): ReadonlyMap<number, Slot> {
  const after = new Map(before);
  for (const [nodeID, slot] of changes) {
    if (slot === null) after.delete(nodeID);
    else after.set(nodeID, slot);
  }
  return after;
}

/** The same memory, four bytes at a time. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
}

function sameWords(a: Int32Array, b: Int32Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (a[i] !== b[i]) return false;
  return true;
}
