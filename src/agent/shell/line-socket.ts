import fs from "node:fs";
import net from "node:net";

/** A local socket on which one peer at a time exchanges JSON lines with this process. */
export type LineSocket<Out> = {
  /** Dropped when nobody listens or the peer does not read. */
  send(message: Out): void;
  readonly connected: boolean;
  close(): void;
};

/** Beyond this the peer does not read, and is cut off. */
const BUFFERED_BYTES_MAX = 1 << 20;
const LINE_BYTES_MAX = 1 << 20;

/**
 * Listens at `path`, for root only. A new peer replaces the one before it: a restarted API process
 * finds the core process as it was.
 */
export function listenForLines<Out>(
  path: string,
  handle: {
    readonly connected: () => void;
    readonly message: (message: unknown) => void;
    readonly failed: (error: string) => void;
  },
): LineSocket<Out> {
  let peer: net.Socket | null = null;
  fs.rmSync(path, { force: true });
  const server = net.createServer((socket) => {
    peer?.destroy();
    peer = socket;
    readLines(socket, handle.message, handle.failed);
    socket.on("error", (error) => handle.failed(error.message));
    socket.on("close", () => {
      if (peer === socket) {
        peer = null;
      }
    });
    handle.connected();
  });
  server.on("error", (error) => handle.failed(error.message));
  server.listen(path, () => fs.chmodSync(path, 0o600));
  return {
    send(message) {
      if (peer === null) {
        return;
      }
      if (peer.writableLength > BUFFERED_BYTES_MAX) {
        peer.destroy(new Error("the peer does not read"));
        return;
      }
      peer.write(`${JSON.stringify(message)}\n`);
    },
    get connected() {
      return peer !== null;
    },
    close() {
      peer?.destroy();
      server.close();
    },
  };
}

/** Reads JSON lines; one that cannot be read is reported and ends the connection. */
export function readLines(
  socket: net.Socket,
  handle: (message: unknown) => void,
  failed: (error: string) => void,
): void {
  let buffered = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (buffered + chunk).split("\n");
    buffered = lines.pop() ?? "";
    try {
      for (const line of lines) {
        handle(JSON.parse(line));
      }
    } catch (error) {
      failed(`cannot read a message (${String(error)}); the connection is closed`);
      socket.destroy();
    }
    if (buffered.length > LINE_BYTES_MAX) {
      failed("a message is too long; the connection is closed");
      socket.destroy();
    }
  });
}
