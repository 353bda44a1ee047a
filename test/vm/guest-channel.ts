import type { Socket } from "node:net";
import { bounded } from "./bounded.ts";
import { eachLine } from "./each-line.ts";
import { monoMs } from "./monotonic.ts";

/** A boot of a guest that is up and listening to the host. */
export type GuestBoot = {
  /** The kernel's boot ID. */
  readonly bootId: string;
  /** Host monotonic milliseconds at which it said so. */
  readonly atMs: number;
};

/** What a command in a guest came to. */
export type GuestOutput = { readonly status: number; readonly output: string };

/** The guest was reset, or is gone, before the command ended. */
export class GuestGoneError extends Error {
  override readonly name = "GuestGoneError";
  readonly code = "GUEST_GONE";
}

type Pending = {
  readonly resolve: (output: GuestOutput) => void;
  readonly reject: (error: Error) => void;
};

/**
 * Commands from the host to a guest's shell, over a virtio-serial port: it works whatever becomes of
 * the guest's network and shared disk. Commands run beside each other.
 */
export class GuestChannel {
  readonly boots: GuestBoot[] = [];
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #waiting = new Set<(boot: GuestBoot) => void>();
  #lastId = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    eachLine(socket, (line) => {
      this.#take(line);
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.forgetPending("its emulator ended");
    });
  }

  /** Runs a shell script in the guest. Rejects with `GuestGoneError` when the guest is reset first. */
  async run(script: string, boundMs: number): Promise<GuestOutput> {
    this.#lastId += 1;
    const id = this.#lastId;
    const done = new Promise<GuestOutput>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
    });
    this.#socket.write(`${id} ${Buffer.from(script).toString("base64")}\n`);
    try {
      return await bounded(done, boundMs, `'${script}' in the guest`);
    } finally {
      this.#pending.delete(id);
    }
  }

  /** The first boot that came up after `sinceMs`, waiting at most `boundMs` for it. */
  async boot(sinceMs: number, boundMs: number): Promise<GuestBoot> {
    const seen = this.boots.find((boot) => boot.atMs > sinceMs);
    if (seen !== undefined) return seen;
    let listener: ((boot: GuestBoot) => void) | undefined;
    const coming = new Promise<GuestBoot>((resolve) => {
      listener = resolve;
      this.#waiting.add(listener);
    });
    try {
      return await bounded(coming, boundMs, "the guest to boot");
    } finally {
      if (listener !== undefined) this.#waiting.delete(listener);
    }
  }

  /** Rejects what the guest will never answer. */
  forgetPending(why: string): void {
    for (const pending of this.#pending.values()) {
      pending.reject(new GuestGoneError(`The command did not end: ${why}.`));
    }
    this.#pending.clear();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(line: string): void {
    const [word = "", ...rest] = line.split(" ");
    if (word === "hello") {
      const boot = { bootId: rest[0] ?? "", atMs: monoMs() };
      this.forgetPending("the guest booted anew");
      this.boots.push(boot);
      for (const listener of this.#waiting) listener(boot);
    } else if (word === "done") {
      const [id = "", status = "", output = ""] = rest;
      this.#pending.get(Number(id))?.resolve({
        status: Number(status),
        output: Buffer.from(output, "base64").toString("utf8"),
      });
    }
  }
}
