import { closeSync, constants, openSync, readSync } from "node:fs";
import { Socket } from "node:net";

export type FifoListener = {
  data(chunk: Buffer): void;
  /** The last writer closed it. May come twice for one closing. */
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
  let current = attach();

  function attach(): { readonly fd: number; readonly socket: Socket } {
    const fd = openForReading(path);
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on("data", (chunk: Buffer) => listener.data(chunk));
    socket.on("end", () => {
      if (closed) return;
      listener.end();
      current = attach();
      // Who opened and closed it just before attaching would otherwise never be seen to close.
      readNow(current.fd, listener);
    });
    return { fd, socket };
  }

  return {
    drain() {
      if (!closed) readNow(current.fd, listener);
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

function readNow(fd: number, listener: FifoListener): void {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (;;) {
    let length: number;
    try {
      length = readSync(fd, chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return;
      throw error;
    }
    if (length === 0) return listener.end();
    listener.data(Buffer.from(chunk.subarray(0, length)));
  }
}
