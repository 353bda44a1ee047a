import type { ServerResponse } from "node:http";

const ticksPerSecond = 20;

/**
 * Writes text to a response, all at once or at so many bytes a second. Order is kept.
 * @param bytesPerSecond looked up anew for every piece; undefined is full speed.
 */
export class ResponseWriter {
  readonly #response: ServerResponse;
  readonly #bytesPerSecond: () => number | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #isEnding = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(response: ServerResponse, bytesPerSecond: () => number | undefined) {
    this.#response = response;
    this.#bytesPerSecond = bytesPerSecond;
    response.once("close", () => clearTimeout(this.#timer));
  }

  write(text: string | Buffer): void {
    this.#rest = Buffer.concat([this.#rest, typeof text === "string" ? Buffer.from(text) : text]);
    this.#pump();
  }

  /** Ends the response after what is still to be written. */
  end(): void {
    this.#isEnding = true;
    this.#pump();
  }

  #pump(): void {
    if (this.#timer !== undefined) return;
    const speed = this.#bytesPerSecond();
    const limit = speed === undefined ? this.#rest.length : Math.ceil(speed / ticksPerSecond);
    const piece = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(piece.length);
    if (piece.length > 0) this.#response.write(piece);
    if (this.#rest.length === 0) {
      if (this.#isEnding) this.#response.end();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, 1000 / ticksPerSecond);
  }
}
