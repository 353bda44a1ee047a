import { createWriteStream } from "node:fs";
import type { Readable } from "node:stream";
import { bounded } from "./bounded.ts";
import { eachLine } from "./each-line.ts";
import { monoMs } from "./monotonic.ts";

/** A line of a guest's serial console, and when the host read it (monotonic milliseconds). */
export type ConsoleLine = { readonly text: string; readonly atMs: number };

/** What a guest says on its serial console: kept in a file, and searchable as it comes. */
export class Console {
  readonly file: string;
  readonly lines: ConsoleLine[] = [];
  readonly #listeners = new Set<(line: ConsoleLine) => void>();

  constructor(output: Readable, file: string) {
    this.file = file;
    const copy = createWriteStream(file, { flags: "a" });
    output.pipe(copy);
    eachLine(output, (text) => {
      const line = { text: text.trimEnd(), atMs: monoMs() };
      this.lines.push(line);
      for (const listener of this.#listeners) listener(line);
    });
  }

  /** The first line after `sinceMs` that matches, waiting at most `boundMs` for it. */
  async waitFor(pattern: RegExp, sinceMs: number, boundMs: number): Promise<ConsoleLine> {
    const seen = this.lines.find((line) => line.atMs > sinceMs && pattern.test(line.text));
    if (seen !== undefined) return seen;
    let listener: ((line: ConsoleLine) => void) | undefined;
    const coming = new Promise<ConsoleLine>((resolve) => {
      listener = (line) => {
        if (pattern.test(line.text)) resolve(line);
      };
      this.#listeners.add(listener);
    });
    try {
      return await bounded(
        coming,
        boundMs,
        `a console line like ${String(pattern)} (${this.file})`,
      );
    } finally {
      if (listener !== undefined) this.#listeners.delete(listener);
    }
  }
}
