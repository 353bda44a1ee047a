import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { Readable } from "node:stream";

import { native } from "../native.ts";

/** A byte as it arrived. `atNs` is on the clock of `native.livedNs`. */
export type LoggedByte = { readonly character: string; readonly atNs: bigint };

/** Everything that comes out of a pipe, with the time. */
export class ByteLog {
  readonly bytes: LoggedByte[] = [];
  /** Resolves when the last writer has closed the pipe. */
  readonly ended: Promise<unknown>;
  readonly #arrivals = new EventEmitter();

  constructor(stream: unknown) {
    assert.ok(stream instanceof Readable);
    stream.on("data", (chunk: Buffer) => {
      const atNs = native.livedNs();
      for (const byte of chunk) this.bytes.push({ character: String.fromCharCode(byte), atNs });
      this.#arrivals.emit("bytes");
    });
    this.ended = once(stream, "close");
  }

  get text(): string {
    return this.bytes.map((byte) => byte.character).join("");
  }

  /** Resolves once there are this many bytes. */
  async reaches(count: number): Promise<void> {
    while (this.bytes.length < count) await once(this.#arrivals, "bytes");
  }
}
