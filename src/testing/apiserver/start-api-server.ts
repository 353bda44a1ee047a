/**
 * An embedded Kubernetes API server for tests and the demo: real HTTP on loopback, everything in
 * memory, one process. `kubectl` and the official JavaScript client talk to it.
 *
 * It models what kube-apiserver does to the objects that this project works with, and the parts of
 * kube-controller-manager that deletion needs (garbage collection, emptying of namespaces and CRDs).
 * Behaviour follows Kubernetes 1.32. It does NOT model:
 *
 * - TLS, client certificates, protobuf, HTTP/2, exec, logs, port-forward, proxying, webhooks, quotas,
 *   priority and fairness, aggregated API servers, aggregated discovery, API deprecation
 * - any other controller: no scheduler, kubelet, DaemonSet controller, taint eviction, default
 *   service accounts. A test plays those parts. `spec.nodeName` of a pod may be set once by an update,
 *   in place of the binding subresource, and a pod on a node goes only when something deletes it with
 *   grace 0, as the kubelet does
 * - schemas of built-in kinds: they are taken as they come, but for the checks in object-checks.ts and
 *   the defaults in builtin-defaults.ts; unknown fields in them are kept, never warned of
 * - the scale subresource, `resourceVersionMatch=Exact`, PUT that creates, conversion webhooks (the
 *   versions of a CRD differ in `apiVersion` alone)
 * - CEL: cost limits, type checking against the schema (fields that the schema lacks are found), the
 *   libraries for URLs, IPs and quantities, the `authorizer` variable, ratcheting of old values
 * - server-side apply: see server-side-apply.ts for what is simpler. Strategic merge: merge keys of the
 *   kinds in list-shape.ts; all other lists are replaced
 * - admission policies with parameters; RBAC's escalation check and its bootstrap roles, but for
 *   cluster-admin and discovery
 */
import { Admission } from "./admission.ts";
import { DirectAccess } from "./direct-access.ts";
import { Faults } from "./faults.ts";
import type { FaultMatch } from "./faults.ts";
import { GarbageCollector } from "./garbage-collector.ts";
import { HttpFront } from "./http-front.ts";
import { kubeconfigFor } from "./kubeconfig.ts";
import { ObjectDeleter } from "./object-deleter.ts";
import { ObjectReader } from "./object-reader.ts";
import { ObjectWriter } from "./object-writer.ts";
import type { WriterParts } from "./object-writer.ts";
import { Rbac } from "./rbac.ts";
import { ResourceRegistry } from "./resource-registry.ts";
import { Store } from "./store.ts";
import type { Change, Snapshot } from "./store.ts";
import { Tokens } from "./tokens.ts";
import type { Binding } from "./tokens.ts";
import type { WallClock } from "./clock.ts";
import type { WriteLogEntry } from "./write-log.ts";

/** How to start a server. */
export interface ApiServerOptions {
  /** 0, the default, is a free one. */
  port?: number;
  /** Wall time in ms. Timers are real all the same. */
  clock?: WallClock;
  /** Makes uids; the default counts. */
  newUid?: () => string;
  /** How many changes a watch can look back before it gets 410; 10 000 by default. */
  historyMax?: number;
  /** How often a watch gets a bookmark; a minute by default. */
  bookmarkIntervalMs?: number;
}

/** A running server. */
export interface ApiServer {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** A token that may do everything. */
  readonly adminToken: string;
  /** Every write that was done, in order; of more than 100 000 the oldest are dropped. */
  readonly log: readonly WriteLogEntry[];
  readonly faults: Faults<Snapshot>;
  /** Objects without HTTP. */
  readonly objects: DirectAccess;
  /** How many watches are open. */
  readonly watchCount: number;
  /** The resource version of the latest write. */
  readonly version: number;
  /** A kubeconfig for a token, as YAML. */
  kubeconfig: (token: string) => string;
  /** A token for a service account that is there, good for a day. @throws {Error} when it is not. */
  tokenFor: (namespace: string, name: string, binding?: Binding) => string;
  /** A token for another user, such as a kubelet. */
  tokenForUser: (name: string, groups: readonly string[]) => string;
  /** Calls back for every change, in order, while it happens; returns how to stop that. */
  onChange: (listener: (change: Change) => void) => () => void;
  /** Resolves with the first change, from now on, that the callback accepts. */
  nextChange: (accepts: (change: Change) => boolean) => Promise<Change>;
  /** Resolves when garbage collection has nothing left to do. */
  settled: () => Promise<void>;
  /** Ends open watches as a server does now and then; returns how many. */
  closeWatches: (match: FaultMatch) => number;
  sendBookmarks: () => void;
  /** Forgets history: a watch from an earlier resource version gets 410. */
  compact: () => void;
  /** Cuts every connection and refuses new ones. */
  goAway: () => Promise<void>;
  /** Listens on the same port again, with everything as it was. */
  comeBack: () => Promise<void>;
  /** Ends the server and everything it holds. */
  close: () => Promise<void>;
}

const suffixLetters = "bcdfghjklmnpqrstvwxz2456789";
const logMax = 100_000;
const secondsPerDay = 86_400;

/** Five letters of the kind `generateName` uses, from a count. */
function suffixOf(count: number): string {
  let rest = (count * 2_654_435_761) % suffixLetters.length ** 5;
  let suffix = "";
  for (let index = 0; index < 5; index += 1) {
    suffix += suffixLetters.charAt(rest % suffixLetters.length);
    rest = Math.floor(rest / suffixLetters.length);
  }
  return suffix;
}

function counter(): () => number {
  let count = 0;
  return () => {
    count += 1;
    return count;
  };
}

function bootstrap(objects: DirectAccess): void {
  const group = "rbac.authorization.k8s.io";
  const namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];
  const everything = [
    { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
    { nonResourceURLs: ["*"], verbs: ["*"] },
  ];
  objects.load([
    ...namespaces.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
    {
      apiVersion: `${group}/v1`,
      kind: "ClusterRole",
      metadata: { name: "cluster-admin" },
      rules: everything,
    },
  ]);
}

/**
 * Starts an API server on loopback with the usual namespaces and the cluster role `cluster-admin`: the
 * embedded one, or a real kube-apiserver where `SBD_KUBE_APISERVER` names one.
 *
 * @example
 * const server = await startApiServer();
 * server.objects.load(crdYaml);
 * const config = server.kubeconfig(server.adminToken);
 * await server.close();
 */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const real = process.env["SBD_KUBE_APISERVER"] ?? "";
  if (real === "") return startEmbeddedServer(options);
  const { startRealServer } = await import("../kube-apiserver/start-real-server.ts");
  return startRealServer(real, options);
}

async function startEmbeddedServer(options: ApiServerOptions): Promise<ApiServer> {
  const nowMs = options.clock ?? Date.now;
  const uidCount = counter();
  const suffixCount = counter();
  const log: WriteLogEntry[] = [];
  const store = new Store(options.historyMax ?? 10_000);
  const registry = new ResourceRegistry();
  const faults = new Faults<Snapshot>(() => store.snapshot());
  const tokens = new Tokens(store, nowMs);
  const writerParts: WriterParts = {
    store,
    registry,
    admission: new Admission(store),
    nowMs,
    newUid:
      options.newUid ?? (() => `00000000-0000-4000-8000-${String(uidCount()).padStart(12, "0")}`),
    newSuffix: () => suffixOf(suffixCount()),
    log: (entry) => {
      log.push(entry);
      if (log.length > logMax) log.splice(0, logMax / 10);
    },
  };
  const writer = new ObjectWriter(writerParts);
  const deleter = new ObjectDeleter(writerParts, writer);
  const collector = new GarbageCollector({ store, registry, writer, deleter });
  const parts = {
    store,
    registry,
    reader: new ObjectReader(store),
    writer,
    deleter,
    tokens,
    rbac: new Rbac(store),
    faults,
    nowMs,
    bookmarkIntervalMs: options.bookmarkIntervalMs ?? 60_000,
  };
  const objects = new DirectAccess(parts);
  bootstrap(objects);
  log.length = 0;
  const front = new HttpFront(parts, options.port ?? 0);
  await front.listen();
  return {
    url: front.url,
    adminToken: tokens.adminToken,
    log,
    faults,
    objects,
    get watchCount() {
      return front.watchCount;
    },
    get version() {
      return store.version;
    },
    kubeconfig: (token) => kubeconfigFor(front.url, token),
    tokenFor: (namespace, name, binding = {}) =>
      tokens.forServiceAccount(namespace, name, binding, secondsPerDay).token,
    tokenForUser: (name, groups) => tokens.forUser(name, groups),
    onChange: (listener) => store.subscribe(listener),
    nextChange: async (accepts) => {
      const { promise, resolve } = Promise.withResolvers<Change>();
      const stop = store.subscribe((change) => {
        if (accepts(change)) resolve(change);
      });
      try {
        return await promise;
      } finally {
        stop();
      }
    },
    settled: () => collector.settled(),
    closeWatches: (match) => front.closeWatches(match),
    sendBookmarks: () => front.sendBookmarks(),
    compact: () => store.compact(),
    goAway: () => front.hangUp(),
    comeBack: () => front.listen(),
    close: async () => {
      collector.close();
      await front.hangUp();
      faults.clear();
    },
  };
}
