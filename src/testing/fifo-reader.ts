import { closeSync, constants, openSync, readSync } from "node:fs";
import { Socket } from "node:net";

export type FifoListener = {
  data(chunk: Buffer): void;
  /** The last writer closed it. Not told of writers that wrote nothing. */
  end(): void;
};

export type FifoReader = {
  /** Delivers at once what the FIFO holds now, instead of when the event loop comes to it. */
  drain(): void;
  close(): void;
};

const CHUNK_BYTES = 65_536;

/**
 * Reads a FIFO for as long as wanted, whoever opens and closes it in the meantime. Writers never
 * meet a FIFO without a reader, so their opens do not block and their writes do not fail.
 */
export function createFifoReader(path: string, listener: FifoListener): FifoReader {
  // Keeps the FIFO read while one reading descriptor takes over from another.
  const anchor = openForReading(path);
  let closed = false;
  let written = false;
  let current = attach();

  function deliver(chunk: Buffer): void {
    written = true;
    listener.data(chunk);
  }

  function ended(): void {
    if (!written) return;
    written = false;
    listener.end();
  }

  /** Whatever is in the FIFO; without writers, also its end. */
  function readNow(fd: number): void {
    for (;;) {
      const chunk = readIfAny(fd);
      if (chunk === null) return;
      if (chunk.length === 0) return ended();
      deliver(chunk);
    }
  }

  function attach(): { readonly fd: number; readonly socket: Socket } {
    const fd = openForReading(path);
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on("data", deliver);
    socket.on("end", () => {
      if (closed) return;
      ended();
      current = attach();
      // Who opened and closed it just before attaching would otherwise never be seen to close.
      readNow(current.fd);
    });
    return { fd, socket };
  }

  return {
    drain() {
      if (!closed) readNow(current.fd);
    },
    close() {
      if (closed) return;
      closed = true;
      current.socket.destroy();
      closeSync(anchor);
    },
  };
}

function openForReading(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** Null when there is nothing to read but there are writers; empty when there are no writers. */
function readIfAny(fd: number): Buffer | null {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  try {
    return chunk.subarray(0, readSync(fd, chunk));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return null;
    throw error;
  }
}
