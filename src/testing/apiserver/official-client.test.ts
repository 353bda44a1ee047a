import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import {
  ApiException,
  CoordinationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  V1MicroTime,
  Watch,
  makeInformer,
  setHeaderOptions,
} from "@kubernetes/client-node";
import type { V1Node } from "@kubernetes/client-node";
import { startApiServer } from "./start-api-server.ts";
import type { ApiServer } from "./start-api-server.ts";

let server: ApiServer;
let config: KubeConfig;

beforeEach(async () => {
  server = await startApiServer();
  config = new KubeConfig();
  config.loadFromString(server.kubeconfig(server.adminToken));
});
afterEach(async () => {
  await server.close();
});

test("the official client creates, patches, lists and deletes", async () => {
  const core = config.makeApiClient(CoreV1Api);
  await core.createNode({ body: { metadata: { name: "n" } } });
  const body = { spec: { taints: [{ key: "a", effect: "NoSchedule" }] } };
  const patched = await core.patchNode(
    { name: "n", body },
    setHeaderOptions("Content-Type", PatchStrategy.StrategicMergePatch),
  );
  assert.equal(patched.spec?.taints?.[0]?.key, "a");
  const { items } = await core.listNode();
  assert.deepEqual(
    items.map(({ metadata }) => metadata?.name),
    ["n"],
  );
  await core.deleteNode({ name: "n" });
  await assert.rejects(core.readNode({ name: "n" }), (error) => {
    return error instanceof ApiException && error.code === 404;
  });
});

test("the official client's lease times are accepted and come back", async () => {
  const coordination = config.makeApiClient(CoordinationV1Api);
  const renewTime = new V1MicroTime();
  const made = await coordination.createNamespacedLease({
    namespace: "default",
    body: {
      metadata: { name: "l" },
      spec: { holderIdentity: "me", leaseDurationSeconds: 15, renewTime },
    },
  });
  // The client declares a V1MicroTime and returns the text.
  assert.equal(Date.parse(String(made.spec?.renewTime)), renewTime.getTime());
});

test("the official client's object API finds custom resources through discovery", async () => {
  server.objects.load(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.test.example}
spec:
  group: test.example
  scope: Cluster
  names: {plural: things, kind: Thing}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {a: {type: integer}}}}}}}
`);
  const objects = KubernetesObjectApi.makeApiClient(config);
  const thing = {
    apiVersion: "test.example/v1",
    kind: "Thing",
    metadata: { name: "t" },
    spec: { a: 1 },
  };
  await objects.create(thing);
  await objects.patch(
    { ...thing, spec: { a: 2 } },
    undefined,
    undefined,
    "me",
    true,
    PatchStrategy.ServerSideApply,
  );
  const custom = config.makeApiClient(CustomObjectsApi);
  const list: unknown = await custom.listClusterCustomObject({
    group: "test.example",
    version: "v1",
    plural: "things",
  });
  assert.equal((list as { items: { spec: { a: number } }[] }).items[0]?.spec.a, 2);
});

test("the official client's watch sees changes and the end of the stream", async () => {
  const seen: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<unknown>();
  const { promise: third, resolve: onThird } = Promise.withResolvers<void>();
  await new Watch(config).watch(
    "/api/v1/nodes",
    {},
    (phase, object: V1Node) => {
      seen.push(`${phase} ${object.metadata?.name}`);
      if (seen.length === 3) onThird();
    },
    resolve,
  );
  server.objects.load([{ apiVersion: "v1", kind: "Node", metadata: { name: "n" } }]);
  server.objects.load([
    { apiVersion: "v1", kind: "Node", metadata: { name: "n", labels: { a: "b" } } },
  ]);
  server.objects.delete("nodes", "n");
  await third;
  assert.deepEqual(seen, ["ADDED n", "MODIFIED n", "DELETED n"]);
  server.closeWatches({});
  await ended;
});

test("the official client's informer lists and watches", async () => {
  const core = config.makeApiClient(CoreV1Api);
  const informer = makeInformer(config, "/api/v1/nodes", () => core.listNode());
  const added = Promise.withResolvers<string | undefined>();
  informer.on("add", (node: V1Node) => added.resolve(node.metadata?.name));
  await informer.start();
  server.objects.load([{ apiVersion: "v1", kind: "Node", metadata: { name: "n" } }]);
  assert.equal(await added.promise, "n");
  await informer.stop();
});

test("the official client's informer lists again when its version is compacted away", async () => {
  const core = config.makeApiClient(CoreV1Api);
  let lists = 0;
  const informer = makeInformer(config, "/api/v1/nodes", () => {
    lists += 1;
    return core.listNode();
  });
  const added = Promise.withResolvers<string | undefined>();
  informer.on("add", (node: V1Node) => added.resolve(node.metadata?.name));
  await informer.start();
  while (server.watchCount === 0) await new Promise(setImmediate);
  // All in one turn of the event loop, so that no watch is open while the node is added.
  server.closeWatches({});
  server.objects.load([{ apiVersion: "v1", kind: "Node", metadata: { name: "unseen" } }]);
  server.compact();
  assert.equal(await added.promise, "unseen");
  assert.ok(lists > 1);
  await informer.stop();
});
