import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { at, textOf } from "./json.ts";
import { send } from "./rest-client.ts";
import { startApiServer } from "./start-api-server.ts";
import type { ApiServer } from "./start-api-server.ts";

let server: ApiServer;
let nowMs = Date.parse("2026-01-01T00:00:00Z");

before(async () => {
  server = await startApiServer({ clock: () => nowMs });
});
after(async () => {
  await server.close();
});

const configMaps = "/api/v1/namespaces/default/configmaps";

function configMap(name: string, data: Record<string, string> = {}): object {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data };
}

test("a created object gets its bookkeeping, and a second of its name is AlreadyExists", async () => {
  const first = await send(server, "POST", configMaps, configMap("one"));
  assert.equal(first.code, 201);
  assert.equal(at(first.body, "metadata", "creationTimestamp"), "2026-01-01T00:00:00Z");
  assert.match(textOf(at(first.body, "metadata", "uid")), /^00000000-0000-4000-8000-\d{12}$/);
  assert.equal(at(first.body, "metadata", "namespace"), "default");
  const second = await send(server, "POST", configMaps, configMap("one"));
  assert.equal(second.code, 409);
  assert.equal(second.body["reason"], "AlreadyExists");
  assert.equal(second.body["message"], 'configmaps "one" already exists');
});

test("generateName makes a new name each time", async () => {
  const body = { metadata: { generateName: "made-" } };
  const names = [];
  for (let round = 0; round < 3; round += 1) {
    const { body: made } = await send(server, "POST", configMaps, body);
    names.push(textOf(at(made, "metadata", "name")));
  }
  for (const name of names) assert.match(name, /^made-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  assert.equal(new Set(names).size, 3);
});

test("a stale resource version is a Conflict, and an update that changes nothing writes nothing", async () => {
  const { body: made } = await send(server, "POST", configMaps, configMap("versions", { a: "1" }));
  const { body: same } = await send(server, "PUT", `${configMaps}/versions`, made);
  assert.equal(at(same, "metadata", "resourceVersion"), at(made, "metadata", "resourceVersion"));
  const changed = await send(server, "PUT", `${configMaps}/versions`, {
    ...made,
    data: { a: "2" },
  });
  assert.equal(changed.code, 200);
  assert.notEqual(
    at(changed.body, "metadata", "resourceVersion"),
    at(made, "metadata", "resourceVersion"),
  );
  const stale = await send(server, "PUT", `${configMaps}/versions`, { ...made, data: { a: "3" } });
  assert.equal(stale.code, 409);
  assert.equal(stale.body["reason"], "Conflict");
  const merge = { contentType: "application/merge-patch+json" };
  const patch = {
    metadata: { resourceVersion: at(made, "metadata", "resourceVersion") },
    data: { a: "4" },
  };
  assert.equal((await send(server, "PATCH", `${configMaps}/versions`, patch, merge)).code, 409);
});

test("a missing namespace, a wrong name and a wrong kind are refused", async () => {
  const nowhere = await send(server, "POST", "/api/v1/namespaces/none/configmaps", configMap("a"));
  assert.equal(nowhere.code, 404);
  assert.equal(nowhere.body["message"], 'namespaces "none" not found');
  assert.equal((await send(server, "POST", configMaps, configMap("Bad_Name"))).code, 422);
  assert.equal(
    (await send(server, "POST", configMaps, { apiVersion: "v1", kind: "Secret" })).code,
    400,
  );
  assert.equal((await send(server, "GET", "/api/v1/nothings")).code, 404);
  assert.equal((await send(server, "GET", "/apis/no.such/v1/things")).code, 404);
});

test("a list pages consistently, and field selectors that are not served are refused", async () => {
  for (const name of ["p1", "p2", "p3"]) {
    await send(server, "POST", "/api/v1/namespaces/kube-public/configmaps", configMap(name));
  }
  const path = "/api/v1/namespaces/kube-public/configmaps?limit=2";
  const first = await send(server, "GET", path);
  assert.equal(at(first.body, "metadata", "remainingItemCount"), 1);
  await send(server, "DELETE", "/api/v1/namespaces/kube-public/configmaps/p3");
  const token = textOf(at(first.body, "metadata", "continue"));
  const second = await send(server, "GET", `${path}&continue=${token}`);
  assert.equal(at(second.body, "items", 0, "metadata", "name"), "p3");
  assert.equal(
    at(second.body, "metadata", "resourceVersion"),
    at(first.body, "metadata", "resourceVersion"),
  );
  assert.equal((await send(server, "GET", `${configMaps}?fieldSelector=data.a%3D1`)).code, 400);
  assert.equal((await send(server, "GET", `${path}&continue=bogus`)).code, 410);
});

test("a node's main resource ignores status and its status resource ignores spec", async () => {
  const node = { metadata: { name: "n1" }, status: { nodeInfo: { bootID: "boot-1" } } };
  const { body: made } = await send(server, "POST", "/api/v1/nodes", node);
  assert.equal(at(made, "status", "nodeInfo", "bootID"), "boot-1");
  const merge = { contentType: "application/merge-patch+json" };
  const both = { spec: { unschedulable: true }, status: { nodeInfo: { bootID: "boot-2" } } };
  const main = await send(server, "PATCH", "/api/v1/nodes/n1", both, merge);
  assert.equal(at(main.body, "spec", "unschedulable"), true);
  assert.equal(at(main.body, "status", "nodeInfo", "bootID"), "boot-1");
  const other = { spec: { unschedulable: false }, status: { nodeInfo: { bootID: "boot-3" } } };
  const status = await send(server, "PATCH", "/api/v1/nodes/n1/status", other, merge);
  assert.equal(at(status.body, "spec", "unschedulable"), true);
  assert.equal(at(status.body, "status", "nodeInfo", "bootID"), "boot-3");
});

test("taints with an unknown effect or twice the same are Invalid", async () => {
  const strategic = { contentType: "application/strategic-merge-patch+json" };
  await send(server, "POST", "/api/v1/nodes", { metadata: { name: "n2" } });
  for (const taints of [
    [{ key: "a", effect: "Sometimes" }],
    [
      { key: "a", effect: "NoExecute" },
      { key: "a", effect: "NoExecute", value: "b" },
    ],
  ]) {
    const answer = await send(server, "PATCH", "/api/v1/nodes/n2", { spec: { taints } }, strategic);
    assert.equal(answer.code, 422);
    assert.equal(answer.body["reason"], "Invalid");
  }
});

function lease(renewTime: string): object {
  return { metadata: { name: "l" }, spec: { renewTime } };
}

test("a lease's times need six digits of a second", async () => {
  const leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
  assert.equal((await send(server, "POST", leases, lease("2026-01-01T00:00:00.000Z"))).code, 400);
  const { code, body } = await send(server, "POST", leases, lease("2026-01-01T00:00:00.000000Z"));
  assert.equal(code, 201);
  const unversioned = { metadata: { name: "l" }, spec: at(body, "spec") };
  const refused = await send(server, "PUT", `${leases}/l`, unversioned);
  assert.equal(refused.code, 422);
  assert.match(
    textOf(refused.body["message"]),
    /metadata\.resourceVersion.*must be specified for an update/,
  );
});

test("an event is one object in both of its APIs", async () => {
  const event = {
    metadata: { name: "e1" },
    regarding: { kind: "Node", name: "n1" },
    note: "hello",
    reason: "Why",
    type: "Normal",
    action: "Act",
    reportingController: "c",
    reportingInstance: "i",
    eventTime: "2026-01-01T00:00:00.000000Z",
  };
  const made = await send(
    server,
    "POST",
    "/apis/events.k8s.io/v1/namespaces/default/events",
    event,
  );
  assert.equal(made.code, 201);
  assert.equal(made.body["note"], "hello");
  const core = await send(
    server,
    "GET",
    "/api/v1/events?fieldSelector=involvedObject.name%3Dn1,involvedObject.kind%3DNode",
  );
  assert.equal(at(core.body, "items", 0, "message"), "hello");
  const elsewhere = await send(server, "POST", "/api/v1/namespaces/kube-public/events", {
    metadata: { name: "e2" },
    involvedObject: { kind: "Node", name: "n1" },
  });
  assert.equal(elsewhere.code, 422);
});

test("a finalizer keeps a deleted object until it is removed, and none can be added then", async () => {
  const body = { metadata: { name: "kept", finalizers: ["a.b/c"] } };
  const { body: made } = await send(server, "POST", configMaps, body);
  nowMs += 5_000;
  const deleted = await send(server, "DELETE", `${configMaps}/kept`);
  assert.equal(at(deleted.body, "metadata", "deletionTimestamp"), "2026-01-01T00:00:05Z");
  const merge = { contentType: "application/merge-patch+json" };
  const more = { metadata: { finalizers: ["a.b/c", "d.e/f"] } };
  assert.equal((await send(server, "PATCH", `${configMaps}/kept`, more, merge)).code, 422);
  const wrongUid = { preconditions: { uid: "other" } };
  assert.equal((await send(server, "DELETE", `${configMaps}/kept`, wrongUid)).code, 409);
  await send(server, "PATCH", `${configMaps}/kept`, { metadata: { finalizers: null } }, merge);
  assert.equal((await send(server, "GET", `${configMaps}/kept`)).code, 404);
  assert.notEqual(at(made, "metadata", "uid"), undefined);
});

test("a pod on a node stays Terminating until something deletes it with grace 0", async () => {
  const pods = "/api/v1/namespaces/default/pods";
  const spec = { nodeName: "n1", containers: [{ name: "c", image: "i" }] };
  await send(server, "POST", pods, { metadata: { name: "p" }, spec });
  const first = await send(server, "DELETE", `${pods}/p`);
  assert.equal(at(first.body, "metadata", "deletionGracePeriodSeconds"), 30);
  assert.equal((await send(server, "GET", `${pods}/p`)).code, 200);
  await send(server, "DELETE", `${pods}/p`, { gracePeriodSeconds: 0 });
  assert.equal((await send(server, "GET", `${pods}/p`)).code, 404);
  await send(server, "POST", pods, {
    metadata: { name: "q" },
    spec: { containers: spec.containers },
  });
  await send(server, "DELETE", `${pods}/q`);
  assert.equal((await send(server, "GET", `${pods}/q`)).code, 404);
});

test("a dry run says what would happen and does nothing", async () => {
  const { version } = server;
  const answer = await send(server, "POST", `${configMaps}?dryRun=All`, configMap("dry"));
  assert.equal(answer.code, 201);
  assert.equal((await send(server, "GET", `${configMaps}/dry`)).code, 404);
  assert.equal(server.version, version);
});

test("deleteCollection removes what its selector selects", async () => {
  for (const [name, label] of Object.entries({ c1: "x", c2: "x", c3: "y" })) {
    await send(server, "POST", "/api/v1/namespaces/kube-system/secrets", {
      metadata: { name, labels: { label } },
      stringData: { key: "value" },
    });
  }
  await send(server, "DELETE", "/api/v1/namespaces/kube-system/secrets?labelSelector=label%3Dx");
  const left = server.objects.list("secrets", "kube-system");
  assert.deepEqual(
    left.map(({ metadata, data }) => [metadata.name, data]),
    [["c3", { key: "dmFsdWU=" }]],
  );
});

test("the log holds every write in order, with who and what", async () => {
  const from = server.log.length;
  const options = { userAgent: "tester/1", contentType: "application/merge-patch+json" };
  await send(server, "POST", configMaps, configMap("logged"));
  await send(server, "PATCH", `${configMaps}/logged`, { data: { a: "1" } }, options);
  await send(server, "PATCH", `${configMaps}/missing`, { data: { a: "1" } }, options);
  await send(server, "DELETE", `${configMaps}/logged`);
  const entries = server.log.slice(from);
  assert.deepEqual(
    entries.map(({ verb, name, tMs, user }) => [verb, name, tMs, user]),
    ["create", "patch", "delete"].map((verb) => [verb, "logged", nowMs, "kubernetes-admin"]),
  );
  assert.deepEqual(entries[1]?.body, { data: { a: "1" } });
  assert.equal(entries[1]?.userAgent, "tester/1");
});
