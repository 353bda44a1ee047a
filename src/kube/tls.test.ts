import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";

import { REQUESTS_AT_ONCE } from "./connections.ts";
import { createKubeClient, type KubeClient } from "./kube-client.ts";
import { kubeConfigAccess } from "./kube-config-file.ts";
import { LOOPBACK_CERTIFICATE, LOOPBACK_KEY } from "./testing/loopback-certificate.ts";

let directory: string;
let server: https.Server;
let clients: KubeClient[];
let connections: number;
let answerAfterMs: number;
let authorizations: (string | undefined)[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "sbd-tls-"));
  clients = [];
  connections = 0;
  answerAfterMs = 0;
  authorizations = [];
  server = https.createServer(
    { cert: LOOPBACK_CERTIFICATE, key: LOOPBACK_KEY },
    (request, response) => {
      authorizations.push(request.headers.authorization);
      setTimeout(() => response.end("{}"), answerAfterMs);
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
  const made = createKubeClient(kubeConfigAccess([file], "of a test"), "tls-test");
  clients.push(made);
  return made;
}

const version = { method: "GET", path: "/version" } as const;

test("a hundred requests at once share a few connections to the server that is trusted, and so does what comes later", async () => {
  const data = Buffer.from(LOOPBACK_CERTIFICATE).toString("base64");
  const trusted = client({ "certificate-authority-data": data });
  await Promise.all(Array.from({ length: 100 }, () => trusted.request(version)));
  assert.equal(connections, REQUESTS_AT_ONCE);
  for (let n = 0; n < 5; n += 1) await trusted.request(version);
  assert.equal(connections, REQUESTS_AT_ONCE);
  assert.equal(authorizations.length, 105);
  assert.deepEqual([...new Set(authorizations)], ["Bearer from-a-file"]);
});

test("a request's time begins when its turn has come, and one that gives up takes no connection along", async () => {
  const data = Buffer.from(LOOPBACK_CERTIFICATE).toString("base64");
  const trusted = client({ "certificate-authority-data": data });
  answerAfterMs = 50;
  const asked = Array.from({ length: 80 }, () => trusted.request({ ...version, timeoutMs: 400 }));
  await Promise.all(asked);
  assert.equal(connections, REQUESTS_AT_ONCE);
  answerAfterMs = 300;
  const lost = trusted.request({ ...version, timeoutMs: 100 });
  await Promise.all([assert.rejects(lost, { code: "TIMEOUT" }), trusted.request(version)]);
  assert.ok(connections <= REQUESTS_AT_ONCE + 1);
});

test("a server that nobody vouches for gets nothing, least of all the token", async () => {
  await assert.rejects(client({}).request(version), { code: "UNREACHABLE" });
  assert.deepEqual(authorizations, []);
});
