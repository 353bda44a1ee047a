/** What a client of ours lives through: its API server killed, etcd stopped for 30 s, its place forgotten. */
import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createKubeClient } from "../../src/kube/kube-client.ts";
import type { KubeClient } from "../../src/kube/kube-client.ts";
import { loadKubeConfig } from "../../src/kube/kube-config.ts";
import { listObjects } from "../../src/kube/read-objects.ts";
import { resourceCache } from "../../src/kube/resource-cache.ts";
import type { ResourceCache } from "../../src/kube/resource-cache.ts";
import { collectionPath, LEASES } from "../../src/kube/resource-type.ts";
import { createObject } from "../../src/kube/write-objects.ts";
import { ControlPlane } from "./control-plane.ts";
import { kubeBinaries } from "./kube-binaries.ts";

const NAMESPACE = "default";
const CATCH_UP_MS = 60_000;
const PAUSE_MS = 30_000;

let plane: ControlPlane;
let client: KubeClient;
let cache: ResourceCache;
let troubles: string[];

before(async () => {
  plane = await ControlPlane.start(kubeBinaries());
});
after(async () => {
  await plane.stop();
});
beforeEach(async () => {
  const access = await loadKubeConfig({ KUBECONFIG: plane.adminKubeconfig });
  client = createKubeClient(access, "outages");
  const told: string[] = [];
  troubles = told;
  cache = resourceCache(client, LEASES, {
    namespace: NAMESPACE,
    // Never within a test: what is seen was watched, or listed for a reason.
    resyncMs: 3_600_000,
    onTrouble: (trouble) => void told.push(trouble ?? "over"),
  });
  await cache.whenSynced();
});
afterEach(() => {
  cache.close();
  client.close();
});

async function write(name: string): Promise<void> {
  const outcome = await createObject(client, LEASES, {
    metadata: { name, namespace: NAMESPACE },
    spec: { holderIdentity: "test" },
  });
  assert.equal(outcome.kind, "done");
}

async function seen(name: string): Promise<void> {
  const endMs = performance.now() + CATCH_UP_MS;
  while (cache.get(name, NAMESPACE) === undefined) {
    assert.ok(performance.now() < endMs, `${name} is not seen; troubles: ${troubles.join(" | ")}`);
    await delay(50);
  }
}

test("an API server that is killed and comes back is watched again, and nothing is missed", async () => {
  await plane.kill("kube-apiserver");
  await delay(2_000);
  await plane.startServer();
  await write("after-the-kill");
  await seen("after-the-kill");
  assert.equal(troubles.at(-1), "over");
});

test("etcd that stops for 30 s is waited for: writes fail in time, and the watch goes on", async () => {
  plane.signal("etcd", "SIGSTOP");
  const askedMs = performance.now();
  try {
    await assert.rejects(
      listObjects(client, LEASES, { namespace: NAMESPACE, timeoutMs: 3_000 }),
      /no answer within 3000 ms|etcd|timed out/,
    );
    const tookMs = performance.now() - askedMs;
    assert.ok(tookMs < 10_000, `a read of 3 s took ${tookMs} ms`);
    await delay(Math.max(0, PAUSE_MS - tookMs));
  } finally {
    plane.signal("etcd", "SIGCONT");
  }
  await plane.whenReady();
  await write("after-the-pause");
  await seen("after-the-pause");
});

test("a place that the server has forgotten is left for a new list", async () => {
  // Nobody watches meanwhile; then a cache that goes on from an earlier place, as after a long outage.
  const { resourceVersion: place } = await listObjects(client, LEASES, { namespace: NAMESPACE });
  for (let count = 0; count < 5; count += 1) await write(`since-${count}`);
  const { resourceVersion: now } = await listObjects(client, LEASES, { namespace: NAMESPACE });
  const listedMs = cache.listedWallMs ?? 0;
  await plane.kill("kube-apiserver");
  await compact(Number(now));
  await plane.startServer();
  const asked = client.stream(
    collectionPath(LEASES, NAMESPACE),
    { watch: "true", resourceVersion: place, timeoutSeconds: "5" },
    { silenceMs: 10_000 },
  );
  await assert.rejects(async () => {
    for await (const line of (await asked).lines) throw new Error(line);
  }, /410|Expired|too old/i);
  await write("after-the-compaction");
  await seen("after-the-compaction");
  assert.ok((cache.listedWallMs ?? 0) >= listedMs);
});

async function compact(revision: number): Promise<void> {
  const answer = await fetch(`${plane.etcdUrl}/v3/kv/compaction`, {
    method: "POST",
    body: JSON.stringify({ revision: String(revision), physical: true }),
  });
  assert.equal(answer.status, 200, await answer.text());
}
