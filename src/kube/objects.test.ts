import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { startApiServer, type ApiServer } from "../testing/apiserver/start-api-server.ts";
import { isRealServer } from "../testing/kube-apiserver/is-real-server.ts";
import type { KubeClient } from "./kube-client.ts";
import { KubeError } from "./kube-error.ts";
import { fieldAt, textAt } from "./kube-object.ts";
import { getObject, listObjects } from "./read-objects.ts";
import { LEASES, NODES } from "./resource-type.ts";
import { embeddedClient } from "./testing/embedded-client.ts";
import {
  applyObject,
  createObject,
  deleteObject,
  patchObject,
  replaceObject,
} from "./write-objects.ts";

let server: ApiServer;
let client: KubeClient;

beforeEach(async () => {
  server = await startApiServer();
  client = embeddedClient(server);
  server.objects.load([
    { apiVersion: "v1", kind: "Node", metadata: { name: "a", labels: { role: "x" } } },
    { apiVersion: "v1", kind: "Node", metadata: { name: "b" } },
  ]);
});
afterEach(async () => {
  client.close();
  await server.close();
});

const a = { name: "a" };

function merge(value: string) {
  return { kind: "merge", body: { metadata: { labels: { role: value } } } } as const;
}

function json(value: string) {
  return {
    kind: "json",
    operations: [{ op: "replace", path: "/metadata/labels/role", value }],
  } as const;
}

function as(fieldManager: string, ownership: "force" | "yield") {
  return { fieldManager, ownership };
}

const skip = isRealServer() ? "kube-apiserver's cache is behind when it is, not when told" : false;

test(
  "a GET and a LIST are consistent although the server's cache is behind",
  { skip },
  async () => {
    server.faults.add({}, { kind: "stale" });
    const before = server.version;
    server.objects.load([{ apiVersion: "v1", kind: "Node", metadata: { name: "c" } }]);
    assert.equal((await getObject(client, NODES, { name: "c" }))?.metadata.name, "c");
    const list = await listObjects(client, NODES);
    assert.deepEqual(
      list.items.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      ["Node a", "Node b", "Node c"],
    );
    assert.ok(Number(list.resourceVersion) > before);
  },
);

test("a list of many pages is whole, of one moment, and keeps of each object what is wanted", async () => {
  const names = Array.from({ length: 1_100 }, (_, index) => `n-${String(index).padStart(4, "0")}`);
  server.objects.load(
    names.map((name) => ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { many: "x" } },
    })),
  );
  const { items, resourceVersion } = await listObjects(client, NODES, {
    labelSelector: "many=x",
    keep: ({ metadata: { name = "" } }) => ({ metadata: { name } }),
  });
  assert.deepEqual(
    items,
    names.map((name) => ({ metadata: { name } })),
  );
  assert.ok(Number(resourceVersion) > 0);
});

test("selectors narrow a list, and an object that is not there is null", async () => {
  const { items } = await listObjects(client, NODES, { labelSelector: "role=x" });
  assert.deepEqual(
    items.map(({ metadata }) => metadata.name),
    ["a"],
  );
  assert.equal(await getObject(client, NODES, { name: "none" }), null);
});

test("a merge patch of the status leaves the rest alone", async () => {
  const patch = { kind: "merge", body: { status: { phase: "Running" }, spec: { podCIDR: "x" } } };
  const outcome = await patchObject(client, NODES, a, patch as never, { subresource: "status" });
  assert.equal(outcome.kind, "done");
  const node = server.objects.get("nodes", "a");
  assert.equal(textAt(node, "status", "phase"), "Running");
  assert.equal(fieldAt(node, "spec", "podCIDR"), undefined);
});

test("a patch of either kind with an old version or another UID is a conflict", async () => {
  const old = server.objects.get("nodes", "a")?.metadata.resourceVersion ?? "";
  const first = await patchObject(client, NODES, a, merge("y"), { resourceVersion: old });
  assert.equal(first.kind, "done");
  for (const patch of [merge("z"), json("z")]) {
    const late = await patchObject(client, NODES, a, patch, { resourceVersion: old });
    assert.equal(late.kind, "conflict", JSON.stringify(late));
    const other = await patchObject(client, NODES, a, patch, { uid: "another" });
    assert.equal(other.kind, "conflict", JSON.stringify(other));
  }
  const current = server.objects.get("nodes", "a")?.metadata;
  assert.equal(current?.labels?.["role"], "y");
  const now = { resourceVersion: current?.resourceVersion ?? "", uid: current?.uid ?? "" };
  assert.equal((await patchObject(client, NODES, a, json("z"), now)).kind, "done");
});

test("what is missing, not allowed or not valid is an outcome and no error", async () => {
  const patch = { kind: "merge", body: { metadata: { labels: { role: "not valid!" } } } } as const;
  assert.equal((await patchObject(client, NODES, { name: "none" }, patch)).kind, "not-found");
  const refused = await patchObject(client, NODES, a, patch);
  assert.equal(refused.kind, "refused");
  assert.match(refused.kind === "refused" ? refused.message : "", /valid label/);
  const nobody = embeddedClient(server, { token: server.tokenForUser("nobody", []) });
  assert.equal((await patchObject(nobody, NODES, a, patch)).kind, "refused");
  nobody.close();
});

test("an outage is an error with a code", async () => {
  await server.goAway();
  await assert.rejects(
    patchObject(client, NODES, a, { kind: "merge", body: {} }),
    (error) => error instanceof KubeError && error.code === "UNREACHABLE",
  );
  await assert.rejects(getObject(client, NODES, a), KubeError);
});

test("objects are created once, replaced at their version and deleted by their UID", async () => {
  const metadata = { name: "lease", namespace: "default" };
  const created = await createObject(client, LEASES, { metadata, spec: { holderIdentity: "x" } });
  assert.ok(created.kind === "done");
  assert.equal((await createObject(client, LEASES, { metadata })).kind, "conflict");
  const replaced = await replaceObject(client, LEASES, { ...created.object, spec: {} });
  assert.equal(replaced.kind, "done");
  assert.equal((await replaceObject(client, LEASES, created.object)).kind, "conflict");
  assert.equal((await deleteObject(client, LEASES, metadata, { uid: "another" })).kind, "conflict");
  const uid = created.object.metadata.uid ?? "";
  assert.equal((await deleteObject(client, LEASES, metadata, { uid })).kind, "done");
  assert.equal((await deleteObject(client, LEASES, metadata)).kind, "not-found");
});

test("server-side apply makes an object, and yields to other owners unless forced", async () => {
  const metadata = { name: "applied", namespace: "default" };
  const object = (holderIdentity: string) => ({ metadata, spec: { holderIdentity } });
  assert.equal((await applyObject(client, LEASES, object("x"), as("one", "yield"))).kind, "done");
  assert.equal(
    (await applyObject(client, LEASES, object("y"), as("two", "yield"))).kind,
    "conflict",
  );
  assert.equal((await applyObject(client, LEASES, object("y"), as("two", "force"))).kind, "done");
});

test("a namespaced object without a namespace is a mistake of the caller", async () => {
  await assert.rejects(getObject(client, LEASES, a), TypeError);
});
