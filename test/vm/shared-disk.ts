import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { monoMs } from "./monotonic.ts";
import { serveNbd } from "./nbd-server.ts";
import type { NbdRequest, NbdServer } from "./nbd-server.ts";

/**
 * What goes wrong with a request.
 * - `eio`: refused at once, nothing lands.
 * - `hang`: held until healed.
 * - `delay`: performed and answered `ms` later.
 * - `lost` (writes): answered as done, never lands.
 * - `late` (writes): refused at once, lands `ms` later all the same.
 * - `torn` (writes): only the first `bytes` land, then it is refused.
 */
export type DiskEffect =
  | { readonly kind: "eio" }
  | { readonly kind: "hang" }
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "lost" }
  | { readonly kind: "late"; readonly ms: number }
  | { readonly kind: "torn"; readonly bytes: number };

/** A fault of one guest's path to the disk. */
export type DiskFault = {
  readonly operations: "reads" | "writes" | "all";
  /** Only requests that touch these bytes; without it all of them, flushes included. */
  readonly range?: { readonly fromByte: number; readonly toByte: number };
  readonly effect: DiskEffect;
};

/** A write as it reached the disk. */
export type DiskWrite = {
  readonly port: string;
  readonly offset: number;
  readonly data: Buffer;
  /** Host monotonic milliseconds at which the bytes were in the image. */
  readonly atMs: number;
};

type Held = { readonly request: NbdRequest; timer: NodeJS.Timeout | undefined; answered: boolean };

/**
 * One raw image that several guests have as their disk, each through a port of its own whose faults
 * can be changed while it runs. The image is one copy, and every request is performed in one step in
 * this process, so what one guest has been told is written is what every other guest reads next.
 */
export class SharedDisk {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #descriptor: number;
  readonly #ports: DiskPort[] = [];
  readonly #listeners: ((write: DiskWrite) => void)[] = [];

  /** Makes the image, all zero. */
  constructor(path: string, sizeBytes: number) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#descriptor = openSync(path, "w+");
    ftruncateSync(this.#descriptor, sizeBytes);
  }

  /** Opens a port named after its guest, on a Unix socket at `socketPath`. */
  async open(name: string, socketPath: string): Promise<DiskPort> {
    const port = new DiskPort(name, socketPath, this);
    port.server = await serveNbd(socketPath, this.sizeBytes, (request) => {
      port.take(request);
    });
    this.#ports.push(port);
    return port;
  }

  /** Calls `listener` for every write that lands, from whichever guest. */
  onWrite(listener: (write: DiskWrite) => void): void {
    this.#listeners.push(listener);
  }

  /** Reads as no guest does: past every fault. */
  read(offset: number, length: number): Buffer {
    const data = Buffer.alloc(length);
    readSync(this.#descriptor, data, 0, length, offset);
    return data;
  }

  /** Writes as no guest does; `port` is who the listeners hear it was. */
  write(offset: number, data: Buffer, port = "host"): void {
    writeSync(this.#descriptor, data, 0, data.length, offset);
    const write = { port, offset, data, atMs: monoMs() };
    for (const listener of this.#listeners) listener(write);
  }

  /** Ends every port and closes the image; what is held is dropped. */
  close(): void {
    for (const port of this.#ports) port.close();
    closeSync(this.#descriptor);
  }
}

/** One guest's way to a shared disk, and everything that can go wrong on it. */
export class DiskPort {
  readonly name: string;
  readonly socketPath: string;
  server: NbdServer | undefined;
  readonly #disk: SharedDisk;
  #faults: readonly DiskFault[] = [];
  readonly #held = new Set<Held>();

  constructor(name: string, socketPath: string, disk: SharedDisk) {
    this.name = name;
    this.socketPath = socketPath;
    this.#disk = disk;
  }

  /** Requests taken and not yet answered. */
  get unanswered(): number {
    return [...this.#held].filter((held) => !held.answered).length;
  }

  /** From now on these faults and no others; of several that fit a request, the first. */
  inject(...faults: readonly DiskFault[]): void {
    this.#faults = faults;
  }

  /** No more faults; what hung lands now, in the order it came. */
  heal(): void {
    this.#faults = [];
    for (const held of this.#held) this.#settle(held);
  }

  /**
   * Answers EIO to everything held, and nothing else changes: a held write still lands when its
   * delay ends or the port is healed, as one does that is queued in an array whose initiator died.
   */
  failHeld(): void {
    for (const held of this.#held) {
      if (held.answered) continue;
      held.answered = true;
      refuse(held.request);
    }
  }

  /** Answers EIO to everything held, and none of it ever lands. */
  discardHeld(): void {
    this.failHeld();
    for (const held of this.#held) clearTimeout(held.timer);
    this.#held.clear();
  }

  /** Takes a request from the guest; for the server. */
  take(request: NbdRequest): void {
    const effect = this.#faults.find((fault) => fits(fault, request))?.effect;
    switch (effect?.kind) {
      case undefined:
        this.#perform(request);
        break;
      case "eio":
        refuse(request);
        break;
      case "hang":
        this.#held.add({ request, timer: undefined, answered: false });
        break;
      case "delay":
        this.#hold(request, effect.ms, false);
        break;
      case "late":
        refuse(request);
        this.#hold(request, effect.ms, true);
        break;
      case "lost":
        if (request.kind === "write") request.done("ok");
        else this.#perform(request);
        break;
      case "torn":
        if (request.kind === "write") {
          this.#disk.write(request.offset, request.data.subarray(0, effect.bytes), this.name);
          refuse(request);
        } else {
          this.#perform(request);
        }
        break;
    }
  }

  /** Ends the server; what is held is dropped unanswered. */
  close(): void {
    for (const held of this.#held) clearTimeout(held.timer);
    this.#held.clear();
    this.server?.close();
  }

  #hold(request: NbdRequest, ms: number, answered: boolean): void {
    const held: Held = { request, timer: undefined, answered };
    held.timer = setTimeout(() => {
      this.#settle(held);
    }, ms);
    this.#held.add(held);
  }

  #settle(held: Held): void {
    clearTimeout(held.timer);
    this.#held.delete(held);
    if (!held.answered) this.#perform(held.request);
    else if (held.request.kind === "write") {
      this.#disk.write(held.request.offset, held.request.data, this.name);
    }
  }

  #perform(request: NbdRequest): void {
    switch (request.kind) {
      case "read":
        request.done(this.#disk.read(request.offset, request.length));
        break;
      case "write":
        this.#disk.write(request.offset, request.data, this.name);
        request.done("ok");
        break;
      case "flush":
        request.done("ok");
        break;
    }
  }
}

function refuse(request: NbdRequest): void {
  request.done("EIO");
}

function fits(fault: DiskFault, request: NbdRequest): boolean {
  if (request.kind === "flush") return fault.operations !== "reads" && fault.range === undefined;
  if (fault.operations === "reads" && request.kind !== "read") return false;
  if (fault.operations === "writes" && request.kind !== "write") return false;
  const length = request.kind === "read" ? request.length : request.data.length;
  return (
    fault.range === undefined ||
    (request.offset < fault.range.toByte && request.offset + length > fault.range.fromByte)
  );
}
