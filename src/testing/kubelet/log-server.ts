/** What a kubelet serves to `kubectl logs`: what a pod's container has said so far. */
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export type ServingCertificate = { readonly certFile: string; readonly keyFile: string };

/** @returns the port of 127.0.0.1 that it listens on */
export async function serveLogs(
  { certFile, keyFile }: ServingCertificate,
  folderOf: (pod: string) => string,
): Promise<number> {
  const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const server = createServer(tls, (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "https://kubelet");
    const [, pod = ""] = /^\/containerLogs\/[^/]+\/([^/]+)\/[^/]+$/.exec(pathname) ?? [];
    const path = join(folderOf(pod), "log");
    const found = pod !== "" && existsSync(path);
    response.statusCode = found ? 200 : 404;
    response.end(found ? readFileSync(path) : "");
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return (server.address() as AddressInfo).port;
}
