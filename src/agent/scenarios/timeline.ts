/** Things due at an instant, in ms; those due together run in the order they were added. */
export class Timeline {
  #due: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];
  #added = 0;

  at(atMs: number, run: () => void): void {
    this.#added += 1;
    this.#due.push({ atMs, order: this.#added, run });
  }

  /** Instant of the next thing due; Infinity where there is none. */
  get nextMs(): number {
    return this.#due.reduce((least, { atMs }) => Math.min(least, atMs), Infinity);
  }

  runNext(): void {
    const [next] = this.#due.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    if (next === undefined) throw new Error("Nothing is due");
    this.#due.shift();
    next.run();
  }
}

/** `1500` → `1.5`; `2` → `0.002`. */
export function instant(ms: number): string {
  const text = (ms / 1_000).toFixed(3).replace(/0{1,2}$/, "");
  return text;
}
