import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

const loopback = "127.0.0.1";

/** Listens on loopback, can hang up on everybody and listen again on the same port. */
export class LoopbackServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port: number;
  #outages = 0;

  /** @param port 0 is a free one. */
  constructor(port: number, serve: (request: IncomingMessage, response: ServerResponse) => void) {
    this.#port = port;
    this.#server = createServer(serve);
    // Watches last: neither end them nor count them as idle.
    this.#server.requestTimeout = 0;
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  get url(): string {
    return `http://${loopback}:${this.#port}`;
  }

  /** Counts outages, so that a request from before one is not carried out after it. */
  get outages(): number {
    return this.#outages;
  }

  /** Starts to listen: the first time on the port asked for, or a free one, then on the same again. */
  async listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen(this.#port, loopback, resolve);
    await promise;
    this.#server.off("error", reject);
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Stops to listen and cuts every connection. */
  async hangUp(): Promise<void> {
    this.#outages += 1;
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }
}
