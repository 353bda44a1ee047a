import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { startApiServer, type ApiServer } from "../testing/apiserver/start-api-server.ts";
import type { KubeClient } from "./kube-client.ts";
import { KubeError, type KubeErrorCode } from "./kube-error.ts";
import { textAt } from "./kube-object.ts";
import { embeddedClient } from "./testing/embedded-client.ts";

let server: ApiServer;
let client: KubeClient;

beforeEach(async () => {
  server = await startApiServer();
  client = embeddedClient(server);
});
afterEach(async () => {
  client.close();
  await server.close();
});

function hasCode(code: KubeErrorCode, message: RegExp = /./) {
  return (error: unknown) => {
    assert.ok(error instanceof KubeError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

const namespaces = { method: "GET", path: "/api/v1/namespaces" } as const;

test("an answer is the JSON that the server sent", async () => {
  const found = await client.request({ ...namespaces, path: "/api/v1/namespaces/default" });
  assert.equal(textAt(found, "metadata", "name"), "default");
});

test("each refusal has a code of its own, and says what the server said", async () => {
  const codes = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    409: "CONFLICT",
    410: "GONE",
    503: "SERVER",
  };
  for (const [status, code] of Object.entries(codes)) {
    server.faults.add({}, { kind: "error", code: Number(status) }, 1);
    await assert.rejects(
      client.request(namespaces),
      hasCode(code as KubeErrorCode, new RegExp(`GET /api/v1/namespaces: ${status} .*injected`)),
    );
  }
  await assert.rejects(
    client.request({ ...namespaces, path: "/api/v1/namespaces/none" }),
    hasCode("NOT_FOUND", /"none" not found/),
  );
});

test("a server that is busy says when to come again", async () => {
  server.faults.add({}, { kind: "error", code: 429 }, 1);
  await assert.rejects(client.request(namespaces), (error) => {
    assert.ok(error instanceof KubeError);
    assert.deepEqual([error.code, error.retryAfterMs], ["OVERLOADED", 1_000]);
    return true;
  });
});

test("a partition ends a request after its timeout, and the next one takes another connection", async () => {
  await client.request(namespaces);
  const partition = server.faults.add(
    {},
    { kind: "partition", lost: "requests", afterwards: "cut" },
  );
  await assert.rejects(
    client.request({ ...namespaces, timeoutMs: 50 }),
    hasCode("TIMEOUT", /no answer within 50 ms/),
  );
  partition.remove();
  await client.request(namespaces);
});

test("an answer that trickles does not outlast the timeout", async () => {
  server.faults.add({}, { kind: "slow", bytesPerSecond: 10 });
  await assert.rejects(client.request({ ...namespaces, timeoutMs: 200 }), hasCode("TIMEOUT"));
});

test("a caller may give up, before and while it waits", async () => {
  const abort = new AbortController();
  const partition = server.faults.add(
    {},
    { kind: "partition", lost: "responses", afterwards: "cut" },
  );
  const waiting = client.request({ ...namespaces, signal: abort.signal });
  abort.abort();
  await assert.rejects(waiting, hasCode("ABORTED"));
  partition.remove();
  await assert.rejects(client.request({ ...namespaces, signal: abort.signal }), hasCode("ABORTED"));
});

test("a cut connection and a server that is gone are unreachable, until it is back", async () => {
  server.faults.add({}, { kind: "dropResponse" }, 1);
  await assert.rejects(client.request(namespaces), hasCode("UNREACHABLE"));
  await server.goAway();
  await assert.rejects(client.request(namespaces), hasCode("UNREACHABLE", /ECONNREFUSED/));
  await server.comeBack();
  await client.request(namespaces);
});

test("a watch that goes silent is given up", async () => {
  const stream = await client.stream(
    "/api/v1/namespaces",
    { watch: "true", resourceVersion: String(server.version) },
    { silenceMs: 50 },
  );
  await assert.rejects(async () => {
    for await (const line of stream.lines) assert.fail(`unexpected: ${line}`);
  }, hasCode("TIMEOUT"));
});
