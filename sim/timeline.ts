/** Virtual time: what happens next, in order; at one instant, in the order it was asked for. */
export class Timeline {
  nowMs = 0;
  events = 0;
  readonly #heap: Entry[] = [];
  #order = 0;

  at(atMs: number, run: () => void): void {
    const entry = { atMs: Math.max(atMs, this.nowMs), order: this.#order, run };
    this.#order += 1;
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above]!;
      if (!before(entry, parent)) {
        break;
      }
      heap[index] = parent;
      index = above;
    }
    heap[index] = entry;
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.nowMs + delayMs, run);
  }

  /** Runs until `endMs`, or until `halted` says so. */
  run(endMs: number, halted: () => boolean): void {
    const heap = this.#heap;
    while (heap.length > 0 && heap[0]!.atMs <= endMs && !halted()) {
      const { atMs, run } = this.#take();
      this.nowMs = atMs;
      this.events += 1;
      run();
    }
    if (!halted()) {
      this.nowMs = endMs;
    }
  }

  #take(): Entry {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    const size = heap.length;
    if (size > 0) {
      let index = 0;
      for (;;) {
        let child = 2 * index + 1;
        if (child >= size) {
          break;
        }
        if (child + 1 < size && before(heap[child + 1]!, heap[child]!)) {
          child += 1;
        }
        if (!before(heap[child]!, last)) {
          break;
        }
        heap[index] = heap[child]!;
        index = child;
      }
      heap[index] = last;
    }
    return first;
  }
}

type Entry = { readonly atMs: number; readonly order: number; readonly run: () => void };

function before(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
