import http from "node:http";
import type { AddressInfo } from "node:net";

import type { Registry } from "prom-client";

export type MetricsServerOptions = {
  readonly address: string;
  /** 0: one that is free. */
  readonly port: number;
  readonly registry: Registry;
  /** What keeps `/healthz` from answering 200; null where nothing does. */
  readonly healthTrouble: () => string | null;
  /** The same of `/readyz`. */
  readonly readinessTrouble: () => string | null;
  readonly log: (level: "info" | "warn", message: string) => void;
};

const LISTEN_AGAIN_AFTER_MS = 10_000;

/** Serves `/metrics`, `/healthz` and `/readyz`; a port that somebody else has is tried again and again. */
export function serveMetrics(options: MetricsServerOptions): void {
  const { address, port, log } = options;
  const server = http.createServer((request, response) => {
    void answer(request, response, options);
  });
  const listen = (): void => void server.listen(port, address);
  server.on("error", (error) => {
    log("warn", `/metrics is not served: ${error.message}`);
    setTimeout(listen, LISTEN_AGAIN_AFTER_MS);
  });
  server.on("listening", () => {
    const { address: host, port: taken } = server.address() as AddressInfo;
    log("info", `serving /metrics at ${host} port ${taken}`);
  });
  listen();
}

async function answer(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  { registry, healthTrouble, readinessTrouble }: MetricsServerOptions,
): Promise<void> {
  const path = (request.url ?? "/").split("?", 1)[0];
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405).end();
  } else if (path === "/metrics") {
    response.setHeader("content-type", registry.contentType);
    response.end(await registry.metrics());
  } else if (path === "/healthz" || path === "/readyz") {
    const why = path === "/healthz" ? healthTrouble() : readinessTrouble();
    response.writeHead(why === null ? 200 : 503, { "content-type": "text/plain; charset=utf-8" });
    response.end(`${why ?? "ok"}\n`);
  } else {
    response.writeHead(404).end();
  }
}
