import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { API_VERSION } from "../api/group.ts";
import { SBD_NODE } from "../api/sbd-node.ts";
import { startApiServer, type ApiServer } from "../testing/apiserver/start-api-server.ts";
import { manifestPaths, manifests } from "../api/testing/manifests.ts";
import type { KubeClient } from "./kube-client.ts";
import type { KubeObject } from "./kube-object.ts";
import { kubePort, type KubeAnswer } from "./kube-port.ts";
import { NODES, resourceTypeOf, type ResourceType } from "./resource-type.ts";
import { embeddedClient } from "./testing/embedded-client.ts";

const SBD_NODES = resourceTypeOf(SBD_NODE);
const LIMITS = { timeoutMs: 2_000 };

let server: ApiServer;
let client: KubeClient;

beforeEach(async () => {
  server = await startApiServer();
  for (const path of manifestPaths().filter((one) => one.startsWith("crds/"))) {
    server.objects.load(manifests(path));
  }
  server.objects.load([
    { apiVersion: "v1", kind: "Node", metadata: { name: "worker-1" } },
    {
      apiVersion: API_VERSION,
      kind: "SBDNode",
      metadata: { name: "config-1" },
      spec: { configName: "config", nodeName: "worker-1", nodeID: 1 },
    },
  ]);
  client = embeddedClient(server);
});
afterEach(async () => {
  client.close();
  await server.close();
});

test("a hundred questions at once are answered each, by a few exchanges", async () => {
  let exchanges = 0;
  const port = kubePort({
    ...client,
    async request(request) {
      exchanges += 1;
      return await client.request(request);
    },
  });
  const ask = (type: ResourceType, name: string): Promise<KubeAnswer<KubeObject | null>> =>
    new Promise((resolve) => port.get(type, { name }, LIMITS, resolve));
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      Promise.all([ask(SBD_NODES, `config-${n}`), ask(NODES, "worker-1")]),
    ),
  );
  for (const [n, [slot, node]] of answers.entries()) {
    assert.ok(slot.ok && node.ok);
    assert.equal(slot.reply?.metadata.name, n === 1 ? "config-1" : undefined);
    assert.equal(node.reply?.metadata.name, "worker-1");
  }
  assert.equal(exchanges, 2);
});
