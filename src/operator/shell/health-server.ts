import http from "node:http";

/** /healthz: the process serves. /readyz: its caches have their first lists. */
export function serveHealth(port: number, isReady: () => boolean): http.Server {
  const server = http.createServer((request, response) => {
    const ok = request.url === "/healthz" || (request.url === "/readyz" && isReady());
    response.writeHead(ok ? 200 : request.url === "/readyz" ? 503 : 404);
    response.end(ok ? "ok\n" : "not ready\n");
  });
  server.listen(port);
  return server;
}
