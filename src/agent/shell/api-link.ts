import type { FromCore, ToCore } from "../driver/api-message.ts";
import type { LineLogger } from "../../program/line-logger.ts";
import { listenForLines } from "./line-socket.ts";

/** The way to the API process, or whoever stands in for it. */
export type ApiLink = {
  /** Dropped while nobody is there: what matters is sent again. */
  send(message: FromCore): void;
  readonly connected: boolean;
  /** Replaces who is told. */
  listen(receive: (message: ToCore) => void): void;
};

/** Listens at `path` for one API process at a time. */
export function openApiLink(path: string, logger: LineLogger): ApiLink {
  let receive: ((message: ToCore) => void) | null = null;
  const socket = listenForLines<FromCore>(path, {
    connected: () => logger.log("info", "the API process is connected"),
    message: (message) => receive?.(message as ToCore),
    failed: (error) => logger.log("warn", `API socket: ${error}`),
  });
  return {
    send: (message) => socket.send(message),
    get connected() {
      return socket.connected;
    },
    listen(next) {
      receive = next;
    },
  };
}
