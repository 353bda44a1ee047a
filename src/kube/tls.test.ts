import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";

import { createKubeClient, type KubeClient } from "./kube-client.ts";
import { loadKubeConfig } from "./kube-config.ts";
import { LOOPBACK_CERTIFICATE, LOOPBACK_KEY } from "./testing/loopback-certificate.ts";

let directory: string;
let server: https.Server;
let clients: KubeClient[];
let connections: number;
let authorizations: (string | undefined)[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "sbd-tls-"));
  clients = [];
  connections = 0;
  authorizations = [];
  server = https.createServer(
    { cert: LOOPBACK_CERTIFICATE, key: LOOPBACK_KEY },
    (request, response) => {
      authorizations.push(request.headers.authorization);
      response.end("{}");
    },
  );
  server.on("secureConnection", () => (connections += 1));
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
});
afterEach(() => {
  for (const client of clients) client.close();
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true });
});

/** A client of that server, its token in a file as in a pod. */
function client(cluster: Readonly<Record<string, unknown>>): KubeClient {
  const tokenFile = join(directory, "token");
  writeFileSync(tokenFile, "from-a-file");
  const config = {
    clusters: [
      {
        name: "c",
        cluster: {
          server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
          ...cluster,
        },
      },
    ],
    users: [{ name: "u", user: { "auth-provider": { name: "tokenFile", config: { tokenFile } } } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  };
  const file = join(directory, "config");
  writeFileSync(file, JSON.stringify(config));
  const made = createKubeClient(loadKubeConfig({ KUBECONFIG: file }), "tls-test");
  clients.push(made);
  return made;
}

const version = { method: "GET", path: "/version" } as const;

test("requests share a connection to the server whose certificate is trusted, and carry the token", async () => {
  const data = Buffer.from(LOOPBACK_CERTIFICATE).toString("base64");
  const trusted = client({ "certificate-authority-data": data });
  for (let n = 0; n < 5; n += 1) await trusted.request(version);
  assert.equal(connections, 1);
  assert.deepEqual([...new Set(authorizations)], ["Bearer from-a-file"]);
});

test("a server that nobody vouches for gets nothing, least of all the token", async () => {
  await assert.rejects(client({}).request(version), { code: "UNREACHABLE" });
  assert.deepEqual(authorizations, []);
});
