import type { Socket } from "node:net";
import { bounded } from "./bounded.ts";
import { eachLine } from "./each-line.ts";
import { monoMs } from "./monotonic.ts";

/** Something QEMU reported, e.g. `RESET`, `WATCHDOG`, `STOP`, `DEVICE_DELETED`. */
export type QmpEvent = {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Host monotonic milliseconds at which the report was read. */
  readonly atMs: number;
};

/** QEMU refused a command, or is gone. */
export class QmpError extends Error {
  override readonly name = "QmpError";
  readonly code = "QMP_FAILED";
}

type Answer = {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
};

const COMMAND_BOUND_MS = 15_000;

/** A connection to one QEMU's control socket (QEMU Machine Protocol). */
export class Qmp {
  /** Everything reported so far, oldest first. */
  readonly events: QmpEvent[] = [];
  readonly #socket: Socket;
  readonly #answers = new Map<number, Answer>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #lastId = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    eachLine(socket, (line) => {
      this.#take(JSON.parse(line) as Record<string, unknown>);
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      for (const answer of this.#answers.values()) answer.reject(new QmpError("QEMU is gone."));
      this.#answers.clear();
    });
  }

  /** Sends a command and returns what QEMU answers; rejects with `QmpError` when it refuses. */
  async command(name: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answered = new Promise<unknown>((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
    });
    if (this.#socket.destroyed) {
      this.#answers.delete(id);
      throw new QmpError(`QEMU is gone: '${name}' was not sent.`);
    }
    this.#socket.write(`${JSON.stringify({ execute: name, arguments: args, id })}\n`);
    try {
      return await bounded(answered, COMMAND_BOUND_MS, `QEMU's answer to '${name}'`);
    } finally {
      this.#answers.delete(id);
    }
  }

  /** Calls `listener` for every event from now on. */
  onEvent(listener: (event: QmpEvent) => void): void {
    this.#listeners.add(listener);
  }

  /** The first event of that name after `sinceMs`, waiting at most `boundMs` for it. */
  async event(name: string, sinceMs: number, boundMs: number): Promise<QmpEvent> {
    const seen = this.events.find((event) => event.name === name && event.atMs > sinceMs);
    if (seen !== undefined) return seen;
    let listener: ((event: QmpEvent) => void) | undefined;
    const coming = new Promise<QmpEvent>((resolve) => {
      listener = (event) => {
        if (event.name === name) resolve(event);
      };
      this.#listeners.add(listener);
    });
    try {
      return await bounded(coming, boundMs, `QEMU's event ${name}`);
    } finally {
      if (listener !== undefined) this.#listeners.delete(listener);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(message: Record<string, unknown>): void {
    if (typeof message["event"] === "string") {
      const event: QmpEvent = {
        name: message["event"],
        data: (message["data"] ?? {}) as Record<string, unknown>,
        atMs: monoMs(),
      };
      this.events.push(event);
      for (const listener of this.#listeners) listener(event);
      return;
    }
    const answer = this.#answers.get(Number(message["id"]));
    if (answer === undefined) return;
    if ("return" in message) answer.resolve(message["return"]);
    else {
      const error = message["error"] as { desc?: string } | undefined;
      answer.reject(new QmpError(`QEMU refused: ${error?.desc ?? "no reason given"}`));
    }
  }
}
