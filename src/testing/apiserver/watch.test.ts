import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { at, textOf } from "./json.ts";
import { RestWatch, send } from "./rest-client.ts";
import type { WatchEvent } from "./rest-client.ts";
import { startApiServer } from "./start-api-server.ts";
import type { ApiServer } from "./start-api-server.ts";

let server: ApiServer;

beforeEach(async () => {
  server = await startApiServer({ historyMax: 20 });
});
afterEach(async () => {
  await server.close();
});

const nodes = "/api/v1/nodes";

function addNode(name: string, labels: Record<string, string> = {}): void {
  server.objects.load([{ apiVersion: "v1", kind: "Node", metadata: { name, labels } }]);
}

function brief(event: WatchEvent | undefined): string {
  return `${event?.type} ${textOf(at(event?.object, "metadata", "name"))}`;
}

async function take(watch: RestWatch, count: number): Promise<string[]> {
  const events: string[] = [];
  while (events.length < count) events.push(brief(await watch.next()));
  return events;
}

test("a watch without a version starts with what is there and goes on with what changes", async () => {
  addNode("a");
  const watch = await RestWatch.open(server, nodes);
  addNode("b");
  server.objects.delete("nodes", "a");
  assert.deepEqual(await take(watch, 3), ["ADDED a", "ADDED b", "DELETED a"]);
  watch.close();
});

test("a watch from a list's version misses nothing and repeats nothing", async () => {
  addNode("a");
  const list = await send(server, "GET", nodes);
  const resourceVersion = textOf(at(list.body, "metadata", "resourceVersion"));
  addNode("b");
  const watch = await RestWatch.open(server, nodes, { resourceVersion });
  addNode("c");
  assert.deepEqual(await take(watch, 2), ["ADDED b", "ADDED c"]);
  watch.close();
});

test("an object that comes to match a selector is ADDED, one that ceases to is DELETED", async () => {
  addNode("a", { role: "x" });
  const watch = await RestWatch.open(server, nodes, { labelSelector: "role=x" });
  addNode("b", { role: "y" });
  addNode("b", { role: "x" });
  addNode("a", { role: "y" });
  server.objects.delete("nodes", "a");
  addNode("b", { role: "x", more: "1" });
  assert.deepEqual(await take(watch, 4), ["ADDED a", "ADDED b", "DELETED a", "MODIFIED b"]);
  watch.close();
});

test("a version that is compacted away is 410 in the stream", async () => {
  addNode("a");
  const { version } = server;
  addNode("b");
  server.compact();
  const watch = await RestWatch.open(server, nodes, { resourceVersion: String(version) });
  const event = await watch.next();
  assert.equal(event?.type, "ERROR");
  assert.equal(event?.object["code"], 410);
  assert.equal(event?.object["reason"], "Expired");
  assert.equal(await watch.next(), undefined);
});

test("history is bounded, so a version from long ago is 410 too", async () => {
  const { version } = server;
  for (let count = 0; count < 25; count += 1) addNode(`n${count}`);
  const watch = await RestWatch.open(server, nodes, { resourceVersion: String(version) });
  assert.equal((await watch.next())?.object["code"], 410);
});

test("bookmarks come to those who ask, and mark the end of initial events", async () => {
  addNode("a");
  const watch = await RestWatch.open(server, nodes, {
    sendInitialEvents: "true",
    allowWatchBookmarks: "true",
    resourceVersionMatch: "NotOlderThan",
  });
  assert.equal(brief(await watch.next()), "ADDED a");
  const initial = await watch.next();
  assert.equal(initial?.type, "BOOKMARK");
  assert.equal(at(initial?.object, "metadata", "annotations", "k8s.io/initial-events-end"), "true");
  server.objects.load([{ apiVersion: "v1", kind: "Namespace", metadata: { name: "other" } }]);
  server.sendBookmarks();
  const later = await watch.next();
  assert.equal(later?.type, "BOOKMARK");
  assert.equal(at(later?.object, "metadata", "resourceVersion"), String(server.version));
  watch.close();
});

test("a watch ends after its timeout, and when the server closes it", async () => {
  const short = await RestWatch.open(server, nodes, { timeoutSeconds: "0" });
  assert.equal(await short.next(), undefined);
  const watch = await RestWatch.open(server, nodes);
  assert.equal(server.closeWatches({ resources: ["nodes"] }), 1);
  assert.equal(await watch.next(), undefined);
});

test("a watch goes when the client does", async () => {
  const watch = await RestWatch.open(server, nodes);
  assert.equal(server.watchCount, 1);
  watch.close();
  await assert.rejects(watch.next());
  while (server.watchCount > 0) await new Promise(setImmediate);
});
