import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { send } from "./rest-client.ts";
import { startApiServer } from "./start-api-server.ts";
import type { ApiServer } from "./start-api-server.ts";

let server: ApiServer;

before(async () => {
  server = await startApiServer();
});
after(async () => {
  await server.close();
});

interface Owner {
  name: string;
  uid: string;
}

function configMap(name: string, ...owners: Owner[]): object {
  const base = { apiVersion: "v1", kind: "ConfigMap", blockOwnerDeletion: true };
  const ownerReferences = owners.map((owner) => Object.assign({}, base, owner));
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default", ownerReferences },
  };
}

function owner(name: string): Owner {
  const [made] = server.objects.load([configMap(name)]);
  return { name, uid: made?.metadata.uid ?? "" };
}

function names(): string[] {
  return server.objects.list("configmaps", "default").map(({ metadata }) => metadata.name ?? "");
}

test("a dependent goes with its last owner, and its dependents with it", async () => {
  const [a, b] = [owner("a"), owner("b")];
  const [child] = server.objects.load([configMap("child", a, b)]);
  server.objects.load([configMap("grandchild", { name: "child", uid: child?.metadata.uid ?? "" })]);
  server.objects.delete("configmaps", "a", "default");
  await server.settled();
  assert.deepEqual(names(), ["b", "child", "grandchild"]);
  const left = server.objects.get("configmaps", "child", "default")?.metadata.ownerReferences;
  assert.deepEqual(
    left?.map(({ name }) => name),
    ["b"],
  );
  server.objects.delete("configmaps", "b", "default");
  await server.settled();
  assert.deepEqual(names(), []);
});

test("an owner of the same name but another uid does not count, one of an unknown kind does", async () => {
  owner("again");
  server.objects.load([configMap("dangling", { name: "again", uid: "older" })]);
  const unknown = { apiVersion: "no.such/v1", kind: "Thing", name: "t", uid: "u" };
  const metadata = { name: "kept", namespace: "default", ownerReferences: [unknown] };
  server.objects.load([{ apiVersion: "v1", kind: "ConfigMap", metadata }]);
  await server.settled();
  assert.deepEqual(names(), ["again", "kept"]);
  for (const name of names()) server.objects.delete("configmaps", name, "default");
});

test("Orphan leaves dependents without the reference, Foreground waits for them", async () => {
  server.objects.load([configMap("orphan", owner("x"))]);
  server.objects.delete("configmaps", "x", "default", { propagationPolicy: "Orphan" });
  await server.settled();
  assert.deepEqual(names(), ["orphan"]);
  assert.equal(
    server.objects.get("configmaps", "orphan", "default")?.metadata.ownerReferences,
    undefined,
  );
  server.objects.delete("configmaps", "orphan", "default");

  server.objects.load([configMap("held", owner("y"))]);
  server.objects.change(
    "configmaps",
    "held",
    (held) => ({ ...held, metadata: { ...held.metadata, finalizers: ["a.b/c"] } }),
    "default",
  );
  server.objects.delete("configmaps", "y", "default", { propagationPolicy: "Foreground" });
  await server.settled();
  assert.deepEqual(names(), ["held", "y"]);
  server.objects.change(
    "configmaps",
    "held",
    (held) => ({ ...held, metadata: { ...held.metadata, finalizers: [] } }),
    "default",
  );
  await server.settled();
  assert.deepEqual(names(), []);
});

test("a deleted namespace empties, refuses new objects meanwhile, and goes", async () => {
  server.objects.load([{ apiVersion: "v1", kind: "Namespace", metadata: { name: "ns" } }]);
  const metadata = { name: "in", namespace: "ns", finalizers: ["a.b/c"] };
  server.objects.load([{ apiVersion: "v1", kind: "ConfigMap", metadata }]);
  await send(server, "DELETE", "/api/v1/namespaces/ns");
  await server.settled();
  const refused = await send(server, "POST", "/api/v1/namespaces/ns/configmaps", {
    metadata: { name: "n" },
  });
  assert.equal(refused.code, 403);
  const merge = { contentType: "application/merge-patch+json" };
  await send(
    server,
    "PATCH",
    "/api/v1/namespaces/ns/configmaps/in",
    { metadata: { finalizers: null } },
    merge,
  );
  await server.settled();
  assert.equal(server.objects.get("namespaces", "ns"), undefined);
});
