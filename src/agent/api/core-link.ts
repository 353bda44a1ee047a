import net from "node:net";

import type { FromCore, ToCore } from "../driver/api-message.ts";
import { readLines } from "../shell/line-socket.ts";

/** The way to the core process. */
export type CoreLink = {
  /** Dropped while the core process is not there. */
  send(message: ToCore): void;
};

const CONNECT_EVERY_MS = 500;

/** Connects to the core process, and again whenever the connection ends. */
export function connectToCore(
  path: string,
  on: {
    readonly connected: () => void;
    readonly message: (message: FromCore) => void;
    readonly failed: (error: string) => void;
  },
): CoreLink {
  let current: net.Socket | null = null;

  function connect(): void {
    const socket = net.connect(path);
    socket.on("connect", () => {
      current = socket;
      on.connected();
    });
    socket.on("error", (error) => on.failed(error.message));
    socket.on("close", () => {
      current = null;
      setTimeout(connect, CONNECT_EVERY_MS);
    });
    readLines(socket, (message) => on.message(message as FromCore), on.failed);
  }

  connect();
  return {
    send: (message) => void current?.write(`${JSON.stringify(message)}\n`),
  };
}
