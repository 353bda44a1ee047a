import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { startApiServer, type ApiServer } from "../testing/apiserver/start-api-server.ts";
import { isRealServer } from "../testing/kube-apiserver/is-real-server.ts";
import type { KubeClient } from "./kube-client.ts";
import { resourceCache, type ResourceCache, type ResourceCacheOptions } from "./resource-cache.ts";
import { NODES } from "./resource-type.ts";
import { embeddedClient } from "./testing/embedded-client.ts";
import { until } from "./testing/until.ts";

let server: ApiServer;
let client: KubeClient;
let caches: ResourceCache[];

beforeEach(async () => {
  server = await startApiServer();
  client = embeddedClient(server);
  caches = [];
  add("a");
});
afterEach(async () => {
  for (const cache of caches) cache.close();
  client.close();
  await server.close();
});

function add(name: string, labels: Record<string, string> = {}): void {
  server.objects.load([{ apiVersion: "v1", kind: "Node", metadata: { name, labels } }]);
}

const QUICK = { gatherMs: 1, backoff: { minMs: 10, maxMs: 50 } };

function start(options: ResourceCacheOptions = {}): ResourceCache {
  const cache = resourceCache(client, NODES, { ...QUICK, ...options });
  caches.push(cache);
  return cache;
}

function names(cache: ResourceCache): string {
  return cache
    .snapshot()
    .map(({ metadata }) => metadata.name ?? "")
    .toSorted((a, b) => a.localeCompare(b))
    .join(" ");
}

test("it holds what is there, and follows what comes, changes and goes", async () => {
  let changes = 0;
  const cache = start({ onChange: () => (changes += 1) });
  assert.equal(cache.synced, false);
  await cache.whenSynced();
  assert.equal(cache.synced, true);
  assert.equal(names(cache), "a");
  assert.equal(cache.snapshot(), cache.snapshot());
  await until("a watch", () => server.watchCount === 1);
  add("b");
  add("a", { role: "x" });
  await until("b and the label", () => cache.get("a")?.metadata.labels?.["role"] === "x");
  assert.equal(names(cache), "a b");
  server.objects.delete("nodes", "a");
  await until("a gone", () => names(cache) === "b");
  await until("told of it", () => changes >= 2);
});

test("changes that come together are told once", async () => {
  let changes = 0;
  const cache = start({ onChange: () => (changes += 1), gatherMs: 200 });
  await cache.whenSynced();
  await until("a watch", () => server.watchCount === 1);
  const before = changes;
  for (let n = 0; n < 20; n += 1) add(`n${n}`);
  await until("all of them", () => cache.snapshot().length === 21);
  await until("told", () => changes > before);
  assert.equal(changes, before + 1);
});

test("a watch that the server ends, or that is cut, goes on where it was", async () => {
  const cache = start();
  await cache.whenSynced();
  for (const name of ["b", "c"]) {
    await until("a watch", () => server.watchCount === 1);
    server.closeWatches({ resources: ["nodes"] });
    add(name);
    await until(name, () => names(cache).endsWith(name));
  }
  await until("a watch", () => server.watchCount === 1);
  server.faults.add({ verbs: ["watch"] }, { kind: "drop" }, 1);
  add("d");
  await until("d", () => names(cache) === "a b c d");
});

// test/kube/outages.kube.ts compacts a real one.
const skip = isRealServer() ? "kube-apiserver neither forgets nor falls behind when told" : false;

test("history that the server has forgotten is listed again, deletions too", { skip }, async () => {
  const cache = start();
  await cache.whenSynced();
  await until("a watch", () => server.watchCount === 1);
  const outage = server.faults.add({ verbs: ["watch"] }, { kind: "error", code: 503 });
  server.closeWatches({ resources: ["nodes"] });
  await until("the outage is felt", () => outage.hits > 0);
  add("b");
  server.objects.delete("nodes", "a");
  server.compact();
  outage.remove();
  await until("b alone", () => names(cache) === "b");
});

test("an outage leaves the cache as it was, is reported, and ends by itself", async () => {
  const troubles: (string | null)[] = [];
  const cache = start({ onTrouble: (trouble) => void troubles.push(trouble) });
  await cache.whenSynced();
  await until("a watch", () => server.watchCount === 1);
  await server.goAway();
  await until("trouble", () => troubles.length > 0);
  assert.equal(names(cache), "a");
  assert.equal(cache.synced, true);
  await server.comeBack();
  add("b");
  await until("b", () => names(cache) === "a b");
  assert.equal(troubles.at(-1), null);
});

test("a server that is away at first is waited for", async () => {
  await server.goAway();
  const cache = start();
  await server.comeBack();
  await cache.whenSynced();
  assert.equal(names(cache), "a");
});

test("a list now and then finds what the watch did not bring", { skip }, async () => {
  const cache = start({ resyncMs: 50 });
  await cache.whenSynced();
  server.faults.add({ verbs: ["watch"] }, { kind: "stale" });
  add("b");
  await until("b", () => names(cache) === "a b");
});

test(
  "a list keeps the objects that are held already, also one of several answers",
  { skip },
  async () => {
    for (const name of ["b", "c"]) add(name);
    const cache = start({ resyncMs: 50, pageObjects: 1 });
    await cache.whenSynced();
    const [a, b] = [cache.get("a"), cache.get("b")];
    server.faults.add({ verbs: ["watch"] }, { kind: "stale" });
    add("b", { changed: "yes" });
    await until("b changed", () => cache.get("b") !== b);
    assert.equal(names(cache), "a b c");
    assert.equal(cache.get("b")?.metadata.labels?.["changed"], "yes");
    assert.equal(cache.get("a"), a);
  },
);

test("a partition is over for the cache when it is over for the network", async () => {
  const cache = start({ resyncMs: 50 });
  await cache.whenSynced();
  const partition = server.faults.add(
    {},
    { kind: "partition", lost: "requests", afterwards: "cut" },
  );
  await until("a request is lost", () => partition.hits > 0);
  add("b");
  partition.remove();
  await until("b", () => names(cache) === "a b");
});

test("closed, it asks no more", async () => {
  const cache = start();
  await cache.whenSynced();
  await until("a watch", () => server.watchCount === 1);
  cache.close();
  await until("no watch", () => server.watchCount === 0);
});
