/**
 * Who may do what on a cluster with everything of `deploy/`, by the tokens that pods are given: roles and
 * admission policies together, as the API server applies them. Nothing is written: every try is a dry run.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { send } from "../testing/apiserver/rest-client.ts";
import { startApiServer } from "../testing/apiserver/start-api-server.ts";
import type { ApiServer } from "../testing/apiserver/start-api-server.ts";
import { deployManifests } from "../testing/deploy-manifests.ts";
import { API_VERSION, SYSTEM_NAMESPACE } from "./group.ts";
import { NODE_NAME_ANNOTATION } from "./remediation-names.ts";

const BOOT = "11111111-2222-4333-8444-555555555555";
const TIME = "2026-01-01T00:00:00Z";
const FENCER_POD = "sbd-fencer-config-5d4f8c7b9-aaaaa";

/** Whose token: an agent's pod on worker-1, one of no pod, and so on. */
type Who =
  | "agent"
  | "agent without node"
  | "fencer"
  | "operator"
  | "nhc"
  | "kate"
  | "viewer"
  | "nobody";

let server: ApiServer;
let tokens: Record<Who, string>;
let uid: string;

before(async () => {
  server = await startApiServer();
  server.objects.load(deployManifests());
  server.objects.load(
    ["worker-1", "worker-2"].map((name) => ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name },
    })),
  );
  server.objects.load([
    sbdNode("config-1", "worker-1"),
    sbdNode("config-2", "worker-2"),
    { ...custom("SBDConfig", "config"), spec: configSpec(30) },
    ...REQUESTED.map(([name, node]) => request(name, node)),
    binding("nhc", "sbd-ext-remediation"),
    binding("kate", "sbd-confirm-off"),
    binding("viewer", "sbd-view"),
    lease("sbd-fencer-config"),
    lease("sbd-fencer-other"),
    lease("sbd-operator"),
    { apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "default" }, spec: POD },
    template(),
  ]);
  uid = server.objects.get("sbdremediations", "of-worker-1", "default")?.metadata.uid ?? "";
  const account = (name: string, binding = {}): string =>
    server.tokenFor(SYSTEM_NAMESPACE, `sbd-${name}`, binding);
  for (const [name, node, agent] of REQUESTED) {
    const path = `${REQUESTS}/${name}/status`;
    const written = await send(server, "PATCH", path, requestStatus(node, agent), {
      token: account("operator"),
      contentType: "application/merge-patch+json",
    });
    assert.equal(written.code, 200, JSON.stringify(written.body));
  }
  tokens = {
    agent: account("agent", { nodeName: "worker-1" }),
    "agent without node": account("agent"),
    fencer: account("fencer", { podName: FENCER_POD }),
    operator: account("operator"),
    nhc: server.tokenForUser("nhc", []),
    kate: server.tokenForUser("kate", []),
    viewer: server.tokenForUser("viewer", []),
    nobody: server.tokenForUser("nobody", []),
  };
});
after(async () => {
  await server.close();
});

/** Requests: name, node, fencer. */
const REQUESTED = [
  ["of-worker-1", "worker-1", "worker-2"],
  ["of-worker-2", "worker-2", "worker-1"],
  ["by-fencer", "worker-2", "sbd-fencer-config"],
  ["by-other-fencer", "worker-2", "sbd-fencer-other"],
] as const;
const POD = { containers: [{ name: "c", image: "none" }] };
const GROUP = `/apis/${API_VERSION}`;
const SYSTEM = `namespaces/${SYSTEM_NAMESPACE}`;
const REQUESTS = `${GROUP}/namespaces/default/sbdremediations`;
const LEASES = `/apis/coordination.k8s.io/v1/${SYSTEM}/leases`;

function custom(kind: string, name: string): Record<string, unknown> {
  return { apiVersion: API_VERSION, kind, metadata: { name } };
}

function configSpec(sbdTimeoutSeconds: number): object {
  return { sbdDevicePVCName: "sbd", sbdTimeoutSeconds, sbdWatchdogPath: "/dev/watchdog" };
}

function sbdNode(name: string, nodeName: string): object {
  const nodeID = Number(name.split("-")[1]);
  return { ...custom("SBDNode", name), spec: { configName: "config", nodeName, nodeID } };
}

function request(name: string, node: string): object {
  return {
    ...custom("SBDRemediation", name),
    metadata: { name, namespace: "default", annotations: { [NODE_NAME_ANNOTATION]: node } },
    spec: {},
  };
}

function requestStatus(nodeName: string, agent: string): object {
  return status({ phase: "Pending", nodeName, lastUpdateTime: TIME, fencing: { agent, epoch: 3 } });
}

function template(): object {
  return {
    ...custom("SBDRemediationTemplate", "t"),
    metadata: { name: "t", namespace: SYSTEM_NAMESPACE },
    spec: { template: { spec: {} } },
  };
}

function lease(name: string): object {
  const metadata = { name, namespace: SYSTEM_NAMESPACE };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec: {} };
}

function binding(user: string, role: string): object {
  const group = "rbac.authorization.k8s.io";
  return {
    apiVersion: `${group}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: `test-${user}` },
    roleRef: { apiGroup: group, kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: group, kind: "User", name: user }],
  };
}

type Try = readonly [
  who: Who,
  method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE",
  path: string,
  body: unknown,
];

const status = (value: object): object => ({ status: value });
const fencing = (value: object): object => status({ fencing: value });
/** A Lease at the version that it has by then. */
const renewed = (name: string) => (): object => {
  const now = server.objects.get("leases", name, SYSTEM_NAMESPACE);
  return { ...now, spec: { holderIdentity: "somebody" } };
};
const confirmed = (by: string, requestUID?: string): object =>
  status({ confirmation: { requestUID: requestUID ?? uid, bootID: BOOT, by, time: TIME } });
const created = (node: object, spec: object = {}): object => ({
  ...custom("SBDRemediation", "new"),
  ...node,
  spec,
});
const annotated = (node: string): object => ({
  metadata: { name: "new", annotations: { [NODE_NAME_ANNOTATION]: node } },
});

const ALLOWED: readonly Try[] = [
  ["agent", "GET", `${GROUP}/sbdnodes`, undefined],
  ["agent", "GET", `${GROUP}/sbdconfigs/config`, undefined],
  ["agent", "GET", `${GROUP}/sbdremediations`, undefined],
  ["agent", "GET", "/api/v1/nodes/worker-2", undefined],
  ["agent", "PATCH", `${GROUP}/sbdnodes/config-1/status`, status({ armed: true, bootID: BOOT })],
  ["agent", "PATCH", `${REQUESTS}/of-worker-2/status`, fencing({ state: "Durable", epoch: 4 })],
  ["fencer", "GET", `${GROUP}/sbdremediations`, undefined],
  ["fencer", "PATCH", `${REQUESTS}/by-fencer/status`, fencing({ state: "Durable" })],
  ["fencer", "PUT", `${LEASES}/sbd-fencer-config`, renewed("sbd-fencer-config")],
  ["operator", "PATCH", "/api/v1/nodes/worker-1", { spec: { taints: [] } }],
  ["operator", "PATCH", "/api/v1/nodes/worker-1/status", { status: { conditions: [] } }],
  ["operator", "PATCH", `${REQUESTS}/of-worker-1/status`, fencing({ agent: "worker-3" })],
  ["operator", "PATCH", `${REQUESTS}/of-worker-1/status`, status({ phase: "Failed" })],
  ["operator", "PATCH", `${REQUESTS}/of-worker-1`, { metadata: { finalizers: ["a.b/c"] } }],
  ["operator", "PATCH", `${GROUP}/sbdconfigs/config`, { metadata: { finalizers: ["a.b/c"] } }],
  ["operator", "POST", `${GROUP}/sbdnodes`, sbdNode("config-9", "worker-1")],
  ["operator", "DELETE", `${GROUP}/sbdnodes/config-1`, undefined],
  ["operator", "DELETE", "/api/v1/namespaces/default/pods/p", undefined],
  ["operator", "GET", "/api/v1/namespaces/kube-system", undefined],
  ["operator", "PUT", `${LEASES}/sbd-operator`, renewed("sbd-operator")],
  ["nhc", "GET", `${GROUP}/${SYSTEM}/sbdremediationtemplates/t`, undefined],
  ["nhc", "POST", REQUESTS, created(annotated("worker-1"))],
  ["nhc", "PATCH", `${REQUESTS}/of-worker-1`, { metadata: { annotations: { "a.b/c": "d" } } }],
  ["nhc", "DELETE", `${REQUESTS}/of-worker-1`, undefined],
  ["kate", "GET", `${REQUESTS}/of-worker-1`, undefined],
  // kubectl patch --subresource asks for it first.
  ["kate", "GET", `${REQUESTS}/of-worker-1/status`, undefined],
  ["viewer", "GET", `${GROUP}/sbdnodes`, undefined],
  ["viewer", "GET", `${GROUP}/sbdremediations`, undefined],
];

const FORBIDDEN: readonly Try[] = [
  ["agent", "GET", "/api/v1/nodes", undefined],
  ["agent", "PATCH", "/api/v1/nodes/worker-1", { spec: { taints: [] } }],
  ["agent", "PATCH", "/api/v1/nodes/worker-1/status", { status: {} }],
  ["agent", "DELETE", "/api/v1/namespaces/default/pods/p", undefined],
  ["agent", "GET", "/api/v1/namespaces/default/pods", undefined],
  ["agent", "GET", `/api/v1/${SYSTEM}/secrets`, undefined],
  ["agent", "PATCH", `${GROUP}/sbdnodes/config-1`, { spec: {} }],
  ["agent", "DELETE", `${GROUP}/sbdnodes/config-1`, undefined],
  ["agent", "PATCH", `${GROUP}/sbdconfigs/config`, { spec: {} }],
  ["agent", "POST", REQUESTS, created(annotated("worker-1"))],
  ["agent", "PATCH", `${REQUESTS}/of-worker-1`, { metadata: {} }],
  ["agent", "PUT", `${LEASES}/sbd-operator`, lease("sbd-operator")],
  ["fencer", "GET", "/api/v1/nodes", undefined],
  ["fencer", "PATCH", "/api/v1/nodes/worker-1", { spec: {} }],
  ["fencer", "PATCH", `${GROUP}/sbdnodes/config-1/status`, status({ armed: true })],
  ["fencer", "GET", LEASES, undefined],
  ["operator", "DELETE", `${REQUESTS}/of-worker-1`, undefined],
  ["operator", "POST", REQUESTS, created(annotated("worker-1"))],
  ["operator", "DELETE", "/api/v1/nodes/worker-1", undefined],
  ["operator", "GET", "/api/v1/namespaces/default/secrets", undefined],
  ["operator", "GET", "/api/v1/namespaces/default", undefined],
  ["nhc", "PATCH", `${REQUESTS}/of-worker-1/status`, status({ phase: "FencedSuccessfully" })],
  ["nhc", "GET", `${GROUP}/sbdnodes`, undefined],
  ["kate", "PATCH", `${REQUESTS}/of-worker-1`, { metadata: {} }],
  ["kate", "DELETE", `${REQUESTS}/of-worker-1`, undefined],
  ["viewer", "PATCH", `${REQUESTS}/of-worker-1/status`, status({ phase: "Failed" })],
  ["viewer", "POST", REQUESTS, created(annotated("worker-1"))],
  ["nobody", "GET", `${GROUP}/sbdnodes`, undefined],
];

/** Allowed by roles; a policy or a schema refuses. */
const REFUSED: readonly (readonly [...Try, RegExp])[] = [
  [
    "agent",
    "PATCH",
    `${GROUP}/sbdnodes/config-2/status`,
    status({ armed: true }),
    /token is of node worker-1, the SBDNode of node worker-2/,
  ],
  [
    "agent",
    "PATCH",
    `${GROUP}/sbdnodes/config-1/status`,
    status({ slotTask: { id: "t", kind: "Clear", agent: "worker-1", requestedTime: TIME } }),
    /status.slotTask is the operator's/,
  ],
  [
    "agent without node",
    "PATCH",
    `${GROUP}/sbdnodes/config-1/status`,
    status({ armed: true }),
    /this token names no node/,
  ],
  [
    "agent",
    "PATCH",
    `${REQUESTS}/of-worker-1/status`,
    fencing({ state: "Proven" }),
    /only the fencer the operator named may report/,
  ],
  [
    "agent",
    "PATCH",
    `${REQUESTS}/of-worker-2/status`,
    fencing({ agent: "worker-2" }),
    /status.fencing.agent is changed by the operator only/,
  ],
  [
    "agent",
    "PATCH",
    `${REQUESTS}/of-worker-2/status`,
    status({ phase: "FencedSuccessfully" }),
    /a fencer changes status.fencing only/,
  ],
  [
    "agent",
    "PATCH",
    `${REQUESTS}/of-worker-2/status`,
    status({ lastUpdateTime: "2026-01-01T00:00:01Z" }),
    /a fencer changes status.fencing only/,
  ],
  [
    "agent",
    "PATCH",
    `${REQUESTS}/of-worker-2/status`,
    fencing({ epoch: 2 }),
    /epoch may only grow/,
  ],
  [
    "fencer",
    "PATCH",
    `${REQUESTS}/by-other-fencer/status`,
    fencing({ state: "Durable" }),
    /only the fencer the operator named may report/,
  ],
  [
    "fencer",
    "PUT",
    `${LEASES}/sbd-operator`,
    renewed("sbd-operator"),
    /a fencer holds the Lease of its own Deployment only/,
  ],
  [
    "fencer",
    "PUT",
    `${LEASES}/sbd-fencer-other`,
    renewed("sbd-fencer-other"),
    /a fencer holds the Lease of its own Deployment only/,
  ],
  [
    "operator",
    "PATCH",
    `${GROUP}/sbdconfigs/config`,
    { spec: { sbdWatchdogPath: "/dev/watchdog1" } },
    /the operator changes the finalizers of an SBDConfig and its status, never its spec/,
  ],
  [
    "operator",
    "POST",
    `${GROUP}/sbdnodes`,
    { ...sbdNode("config-9", "worker-1"), metadata: { name: "config-8" } },
    /must be named <configName>-<nodeID>/,
  ],
  [
    "operator",
    "PATCH",
    `${GROUP}/sbdnodes/config-1`,
    { spec: { nodeName: "worker-2" } },
    /spec cannot be changed/,
  ],
  ["nhc", "POST", REQUESTS, created({}), /spec.nodeName must not be empty/],
  [
    "nhc",
    "POST",
    REQUESTS,
    created(annotated("worker-1"), { nodeName: "worker-2" }),
    /names node worker-1, spec.nodeName names node worker-2/,
  ],
  [
    "nhc",
    "PATCH",
    `${REQUESTS}/of-worker-1`,
    { metadata: { annotations: { [NODE_NAME_ANNOTATION]: "worker-2" } } },
    /cannot be changed/,
  ],
  [
    "kate",
    "PATCH",
    `${REQUESTS}/of-worker-1/status`,
    status({ phase: "FencedSuccessfully" }),
    /only status.confirmation may be written by hand/,
  ],
  [
    "kate",
    "PATCH",
    `${REQUESTS}/of-worker-1/status`,
    fencing({ state: "Proven" }),
    /only status.confirmation may be written by hand/,
  ],
];

for (const [who, method, path, body] of ALLOWED) {
  test(`${who} may: ${method} ${path} ${told(body)}`, async () => {
    const answer = await attempt(who, method, path, body);
    assert.ok(answer.code < 300, JSON.stringify(answer));
  });
}

for (const [who, method, path, body] of FORBIDDEN) {
  test(`${who} may not: ${method} ${path}`, async () => {
    const answer = await attempt(who, method, path, body);
    assert.equal(answer.code, 403, JSON.stringify(answer));
    assert.match(answer.message, /cannot/);
  });
}

for (const [who, method, path, body, why] of REFUSED) {
  test(`${who} is refused: ${method} ${path} ${told(body)}`, async () => {
    const answer = await attempt(who, method, path, body);
    assert.ok([403, 422].includes(answer.code), JSON.stringify(answer));
    assert.match(answer.message, why);
  });
}

test("a person confirms in her own name, and for this request, only", async () => {
  const path = `${REQUESTS}/of-worker-1/status`;
  for (const by of ["kate", "kate (Kate of the night shift)"]) {
    const answer = await attempt("kate", "PATCH", path, confirmed(by));
    assert.equal(answer.code, 200, JSON.stringify(answer));
  }
  for (const body of [confirmed("paul"), confirmed("kate", "another"), confirmed("katepaul")]) {
    const answer = await attempt("kate", "PATCH", path, body);
    assert.equal(answer.code, 422, JSON.stringify(answer));
    assert.match(answer.message, /in your own name \(kate\).*nothing is confirmed/);
  }
});

test("what is allowed and most likely not meant is a warning", async () => {
  const answer = await send(server, "POST", `${GROUP}/sbdconfigs?dryRun=All`, {
    ...custom("SBDConfig", "short"),
    spec: configSpec(6),
  });
  assert.equal(answer.code, 201, JSON.stringify(answer.body));
  assert.match(
    answer.headers.get("warning") ?? "",
    /sbdTimeoutSeconds 6 is shorter than most storage/,
  );
});

function told(body: unknown): string {
  return body === undefined ? "" : (JSON.stringify(body) ?? "");
}

async function attempt(
  who: Who,
  method: Try[1],
  path: string,
  body: unknown,
): Promise<{ code: number; message: string }> {
  const sent: unknown = typeof body === "function" ? (body as () => unknown)() : body;
  const answer = await send(
    server,
    method,
    `${path}${method === "GET" ? "" : "?dryRun=All"}`,
    sent,
    {
      token: tokens[who],
      contentType: method === "PATCH" ? "application/merge-patch+json" : "application/json",
    },
  );
  const message = answer.body["message"];
  return { code: answer.code, message: typeof message === "string" ? message : "" };
}
