/**
 * A real kube-apiserver as tests know API servers: the one whose description the file
 * `SBD_KUBE_APISERVER` holds, behind a proxy of the test's own that carries out faults. Every start
 * removes what an earlier test has left. `make test-kube` starts one and sets the variable.
 *
 * What only the embedded server can do is refused with an error that says so: answer from a stale cache,
 * send bookmarks on demand, forget its history at once, tell when garbage collection has settled, and
 * live by a test's clock.
 */
import { readFileSync } from "node:fs";
import { Faults } from "../apiserver/faults.ts";
import type { FaultEffect, FaultMatch, Fault } from "../apiserver/faults.ts";
import { at, textOf } from "../apiserver/json.ts";
import { kubeconfigFor } from "../apiserver/kubeconfig.ts";
import { ResourceRegistry } from "../apiserver/resource-registry.ts";
import type { ApiServer, ApiServerOptions } from "../apiserver/start-api-server.ts";
import type { Change } from "../apiserver/store.ts";
import type { Binding } from "../apiserver/tokens.ts";
import { superuserGroup } from "../apiserver/user.ts";
import type { WriteLogEntry } from "../apiserver/write-log.ts";
import { BlockingClient } from "./blocking-client.ts";
import type { RunningServer } from "./blocking-client.ts";
import { ChangeFeed } from "./change-feed.ts";
import { clearCluster } from "./clear-cluster.ts";
import { FaultProxy } from "./fault-proxy.ts";
import type { NamedUser } from "./fault-proxy.ts";
import { RealObjects } from "./real-objects.ts";

const ADMIN_TOKEN = "admin-token";
const DAY_SECONDS = 86_400;

/** @param description path of the file that describes a {@link RunningServer} */
export async function startRealServer(
  description: string,
  options: ApiServerOptions,
): Promise<ApiServer> {
  const server = JSON.parse(readFileSync(description, "utf8")) as RunningServer;
  const registry = new ResourceRegistry();
  const client = new BlockingClient(server);
  const objects = new RealObjects(client, registry);
  clearCluster(client, registry);
  const faults = new RealFaults(() => undefined);
  const users = new Map<string, NamedUser>([
    [ADMIN_TOKEN, { name: "kubernetes-admin", groups: [superuserGroup] }],
  ]);
  const log: WriteLogEntry[] = [];
  const note = (entry: WriteLogEntry): void => {
    log.push(entry);
  };
  const parts = { server, registry, faults, users, log: note };
  const proxy = new FaultProxy(parts, options.port ?? 0);
  const feed = new ChangeFeed(server, client, registry);
  await proxy.listen();

  function tokenFor(namespace: string, name: string, binding: Binding = {}): string {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const { podName, nodeName } = binding;
    if (podName !== undefined && objects.get("pods", podName, namespace) === undefined) {
      objects.load([podOf(namespace, name, podName, nodeName)]);
    }
    if (nodeName !== undefined && objects.get("nodes", nodeName) === undefined) {
      objects.load([{ apiVersion: "v1", kind: "Node", metadata: { name: nodeName } }]);
    }
    const bound =
      podName !== undefined
        ? { apiVersion: "v1", kind: "Pod", name: podName }
        : { apiVersion: "v1", kind: "Node", name: nodeName };
    const spec = {
      audiences: [],
      expirationSeconds: DAY_SECONDS,
      ...(podName === undefined && nodeName === undefined ? {} : { boundObjectRef: bound }),
    };
    const { code, body } = client.request("POST", path, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec,
    });
    if (code >= 300)
      throw new Error(`No token for ${namespace}/${name}: ${textOf(body["message"])}`);
    return textOf(at(body, "status", "token"));
  }

  return {
    url: proxy.url,
    adminToken: ADMIN_TOKEN,
    log,
    faults: faults as unknown as ApiServer["faults"],
    objects: objects as unknown as ApiServer["objects"],
    get watchCount() {
      return proxy.watchCount;
    },
    get version() {
      const { body } = client.request("GET", "/api/v1/namespaces?limit=1");
      return Number(textOf(at(body, "metadata", "resourceVersion")));
    },
    kubeconfig: (token) => kubeconfigFor(proxy.url, token),
    tokenFor,
    tokenForUser(name, groups) {
      const token = `user-token-${name}`;
      users.set(token, { name, groups });
      return token;
    },
    onChange: (listener) => feed.follow(listener),
    async nextChange(accepts) {
      const { promise, resolve } = Promise.withResolvers<Change>();
      const stop = feed.follow((change) => {
        if (accepts(change)) resolve(change);
      });
      try {
        return await promise;
      } finally {
        stop();
      }
    },
    settled: () => Promise.reject(onlyEmbedded("tell when garbage collection has settled")),
    closeWatches: (match) => proxy.closeWatches(match),
    sendBookmarks: () => {
      throw onlyEmbedded("send bookmarks on demand");
    },
    compact: () => {
      throw onlyEmbedded("forget its history at once");
    },
    goAway: () => proxy.hangUp(),
    comeBack: () => proxy.listen(),
    async close() {
      faults.clear();
      feed.close();
      await proxy.close();
      await client.close();
    },
  };
}

class RealFaults extends Faults<undefined> {
  override add(match: FaultMatch, effect: FaultEffect, times?: number): Fault<undefined> {
    if (effect.kind === "stale") throw onlyEmbedded("answer from a stale cache when told to");
    return super.add(match, effect, times);
  }
}

function onlyEmbedded(what: string): Error {
  return new Error(`Only the embedded API server can ${what}: skip this on kube-apiserver`);
}

function podOf(namespace: string, account: string, name: string, nodeName?: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace },
    spec: {
      serviceAccountName: account,
      ...(nodeName === undefined ? {} : { nodeName }),
      containers: [{ name: "c", image: "none" }],
    },
  };
}
