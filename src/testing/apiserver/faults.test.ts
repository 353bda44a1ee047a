import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { at } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { RestWatch, send } from "./rest-client.ts";
import { startApiServer } from "./start-api-server.ts";
import type { ApiServer } from "./start-api-server.ts";

let server: ApiServer;

beforeEach(async () => {
  server = await startApiServer();
  server.objects.load([{ apiVersion: "v1", kind: "Node", metadata: { name: "a" } }]);
});
afterEach(async () => {
  await server.close();
});

const nodes = "/api/v1/nodes";
const victim = { userAgent: "victim/1" };
const other = { userAgent: "other/1" };

function names(body: JsonObject): unknown[] {
  return (body["items"] as JsonObject[]).map((item) => at(item, "metadata", "name"));
}

function addNode(name: string): void {
  server.objects.load([{ apiVersion: "v1", kind: "Node", metadata: { name } }]);
}

test("drop cuts a client's connections and watches, and nobody else's", async () => {
  const watch = await RestWatch.open(server, nodes, {}, victim);
  await watch.next();
  const fault = server.faults.add({ userAgent: "victim" }, { kind: "drop" });
  await assert.rejects(watch.next());
  await assert.rejects(send(server, "GET", nodes, undefined, victim));
  assert.equal((await send(server, "GET", nodes, undefined, other)).code, 200);
  fault.remove();
  assert.equal((await send(server, "GET", nodes, undefined, victim)).code, 200);
});

test("dropResponse carries the write out and loses the answer", async () => {
  server.faults.add({ verbs: ["create"] }, { kind: "dropResponse" }, 1);
  await assert.rejects(send(server, "POST", nodes, { metadata: { name: "b" } }));
  assert.ok(server.objects.get("nodes", "b"));
  assert.equal((await send(server, "POST", nodes, { metadata: { name: "b" } })).code, 409);
});

test("errors come in bursts of the length asked for", async () => {
  const fault = server.faults.add({ resources: ["nodes"] }, { kind: "error", code: 429 }, 2);
  const codes = [];
  for (let round = 0; round < 3; round += 1) codes.push((await send(server, "GET", nodes)).code);
  assert.deepEqual(codes, [429, 429, 200]);
  assert.equal(fault.hits, 2);
});

test("a delay holds a request back for its time", async () => {
  server.faults.add({ userAgent: "victim" }, { kind: "delay", ms: 50 });
  const start = performance.now();
  assert.equal((await send(server, "GET", nodes, undefined, victim)).code, 200);
  assert.ok(performance.now() - start >= 45);
});

test("a slow client gets the whole answer, in its time", async () => {
  const quick = await send(server, "GET", `${nodes}/a`);
  const bytes = JSON.stringify(quick.body).length;
  server.faults.add({ userAgent: "victim" }, { kind: "slow", bytesPerSecond: bytes * 5 });
  const start = performance.now();
  const slow = await send(server, "GET", `${nodes}/a`, undefined, victim);
  assert.deepEqual(slow.body, quick.body);
  assert.ok(performance.now() - start >= 100);
});

test("a write lost in a partition arrives when it heals, however late", async () => {
  const fault = server.faults.add(
    { userAgent: "victim" },
    { kind: "partition", lost: "requests", afterwards: "deliver" },
  );
  const write = send(server, "POST", nodes, { metadata: { name: "late" } }, victim);
  while (fault.hits === 0) await new Promise(setImmediate);
  assert.equal(server.objects.get("nodes", "late"), undefined);
  fault.remove();
  assert.equal((await write).code, 201);
  assert.ok(server.objects.get("nodes", "late"));
});

test("a partition that is cut afterwards carries nothing out", async () => {
  const fault = server.faults.add(
    { userAgent: "victim" },
    { kind: "partition", lost: "requests", afterwards: "cut" },
  );
  const write = send(server, "POST", nodes, { metadata: { name: "never" } }, victim);
  while (fault.hits === 0) await new Promise(setImmediate);
  fault.remove();
  await assert.rejects(write);
  assert.equal(server.objects.get("nodes", "never"), undefined);
});

test("a partition of the way back carries the write out and holds the answer", async () => {
  const written = server.nextChange(({ object }) => object.metadata.name === "silent");
  const fault = server.faults.add(
    { userAgent: "victim" },
    { kind: "partition", lost: "responses", afterwards: "deliver" },
  );
  let isAnswered = false;
  const write = send(server, "POST", nodes, { metadata: { name: "silent" } }, victim).then(
    (answer) => {
      isAnswered = true;
      return answer;
    },
  );
  await written;
  assert.equal((await send(server, "GET", `${nodes}/silent`, undefined, other)).code, 200);
  assert.equal(isAnswered, false);
  fault.remove();
  assert.equal((await write).code, 201);
});

test("a watch is silent in a partition and catches up after it", async () => {
  const watch = await RestWatch.open(server, nodes, {}, victim);
  const witness = await RestWatch.open(server, nodes, {}, other);
  assert.equal((await watch.next())?.type, "ADDED");
  const fault = server.faults.add(
    { userAgent: "victim" },
    { kind: "partition", lost: "responses", afterwards: "deliver" },
  );
  addNode("b");
  await witness.next();
  assert.equal(at((await witness.next())?.object, "metadata", "name"), "b");
  fault.remove();
  assert.equal(at((await watch.next())?.object, "metadata", "name"), "b");
  watch.close();
  witness.close();
});

test("a stale cache answers lists of version 0 and watches from the past, consistent reads from now", async () => {
  const fault = server.faults.add({ userAgent: "victim" }, { kind: "stale" });
  addNode("b");
  server.objects.delete("nodes", "a");
  const list = async (query: string, options = victim): Promise<unknown[]> =>
    names((await send(server, "GET", `${nodes}${query}`, undefined, options)).body);
  assert.deepEqual(await list("?resourceVersion=0"), ["a"]);
  assert.deepEqual(await list(""), ["b"]);
  assert.deepEqual(await list("?resourceVersion=0", other), ["b"]);
  assert.equal(
    (await send(server, "GET", `${nodes}/a?resourceVersion=0`, undefined, victim)).code,
    200,
  );
  assert.equal((await send(server, "GET", `${nodes}/a`, undefined, victim)).code, 404);
  const watch = await RestWatch.open(server, nodes, { resourceVersion: "0" }, victim);
  assert.equal(at((await watch.next())?.object, "metadata", "name"), "a");
  fault.remove();
  const rest = [await watch.next(), await watch.next()];
  assert.deepEqual(
    rest.map((event) => [event?.type, at(event?.object, "metadata", "name")]),
    [
      ["ADDED", "b"],
      ["DELETED", "a"],
    ],
  );
  watch.close();
});

test("a fault can single out a service account and the node its token is bound to", async () => {
  const metadata = { name: "agent", namespace: "default" };
  server.objects.load([{ apiVersion: "v1", kind: "ServiceAccount", metadata }]);
  const [one, two] = ["n1", "n2"].map((nodeName) =>
    server.tokenFor("default", "agent", { nodeName }),
  );
  assert.ok(one !== undefined && two !== undefined);
  server.faults.add(
    { user: "system:serviceaccount:default:agent", node: "n1" },
    { kind: "error", code: 503 },
  );
  assert.equal((await send(server, "GET", "/api", undefined, { token: one })).code, 503);
  assert.equal((await send(server, "GET", "/api", undefined, { token: two })).code, 200);
});

test("a server that went away refuses connections, and comes back as it was", async () => {
  const watch = await RestWatch.open(server, nodes);
  await watch.next();
  const { url } = server;
  await server.goAway();
  await assert.rejects(watch.next());
  await assert.rejects(send(server, "GET", nodes));
  await server.comeBack();
  assert.equal(server.url, url);
  assert.deepEqual(names((await send(server, "GET", nodes)).body), ["a"]);
});

test("a write held in a partition does not survive an outage of the server", async () => {
  const fault = server.faults.add(
    { userAgent: "victim" },
    { kind: "partition", lost: "requests", afterwards: "deliver" },
  );
  const write = send(server, "POST", nodes, { metadata: { name: "gone" } }, victim);
  const failed = assert.rejects(write);
  while (fault.hits === 0) await new Promise(setImmediate);
  await server.goAway();
  await failed;
  await server.comeBack();
  fault.remove();
  assert.equal((await send(server, "GET", `${nodes}/gone`)).code, 404);
});
