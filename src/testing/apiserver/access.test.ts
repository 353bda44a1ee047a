import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { at, textOf } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { send } from "./rest-client.ts";
import { startApiServer } from "./start-api-server.ts";
import type { ApiServer } from "./start-api-server.ts";

let server: ApiServer;
let nowMs = Date.parse("2026-01-01T00:00:00Z");

const setup = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: agent, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: agent}
rules:
- {apiGroups: [""], resources: [nodes], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [nodes/status], verbs: [patch]}
- {apiGroups: [""], resources: [secrets], resourceNames: [mine], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: agent}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: agent}
subjects: [{kind: ServiceAccount, name: agent, namespace: default}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: sum}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {part: "yes"}}]}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: part, labels: {part: "yes"}}
rules: [{apiGroups: [""], resources: [configmaps], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: agent, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sum}
subjects: [{kind: Group, name: system:serviceaccounts:default}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: own-node}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: [nodes/status]}
  matchConditions:
  - {name: agents, expression: "request.userInfo.username == 'system:serviceaccount:default:agent'"}
  variables:
  - name: node
    expression: "request.userInfo.extra[?'authentication.kubernetes.io/node-name'].orValue([''])[0]"
  validations:
  - expression: "object.metadata.name == variables.node"
    messageExpression: "'the agent of ' + variables.node + ' may not write ' + object.metadata.name"
    reason: Forbidden
  - expression: "!has(oldObject.status) || !has(oldObject.status.frozen) || object.status == oldObject.status"
    message: the status is frozen
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: own-node}
spec: {policyName: own-node, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: keep}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: ["*"], operations: [DELETE, CREATE], resources: [configmaps]}]
    objectSelector: {matchLabels: {keep: "yes"}}
  validations: [{expression: "request.operation != 'DELETE'", message: it is kept}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: keep}
spec: {policyName: keep, validationActions: [Warn]}
`;

before(async () => {
  server = await startApiServer({ clock: () => nowMs });
  server.objects.load(setup);
  server.objects.load(
    ["n1", "n2"].map((name) => ({ apiVersion: "v1", kind: "Node", metadata: { name } })),
  );
});
after(async () => {
  await server.close();
});

const merge = "application/merge-patch+json";

test("no token is anonymous, a wrong one is 401, an old one too", async () => {
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
  assert.equal((await fetch(`${server.url}/api`)).status, 403);
  assert.equal((await send(server, "GET", "/api", undefined, { token: "wrong" })).code, 401);
  const token = server.tokenFor("default", "agent");
  assert.equal((await send(server, "GET", "/api", undefined, { token })).code, 200);
  nowMs += 86_400_000;
  assert.equal((await send(server, "GET", "/api", undefined, { token })).code, 401);
});

test("a service account may do what its roles say, in the words of kube-apiserver otherwise", async () => {
  const token = server.tokenFor("default", "agent");
  const can = async (method: string, path: string, body?: unknown): Promise<number> =>
    (await send(server, method, path, body, { token })).code;
  assert.equal(await can("GET", "/api/v1/nodes/n1"), 200);
  assert.equal(await can("DELETE", "/api/v1/nodes/n1"), 403);
  assert.equal(await can("GET", "/api/v1/namespaces/default/secrets/mine"), 404);
  assert.equal(await can("GET", "/api/v1/namespaces/default/secrets/other"), 403);
  assert.equal(
    await can("POST", "/api/v1/namespaces/default/configmaps", { metadata: { name: "c" } }),
    201,
  );
  assert.equal(await can("GET", "/api/v1/namespaces/kube-system/configmaps"), 403);
  const refused = await send(server, "GET", "/api/v1/namespaces/default/pods", undefined, {
    token,
  });
  assert.equal(
    refused.body["message"],
    'pods is forbidden: User "system:serviceaccount:default:agent" cannot list resource "pods" in API group "" in the namespace "default"',
  );
});

test("a token of an account that was made anew does not count", async () => {
  const metadata = { name: "brief", namespace: "default" };
  server.objects.load([{ apiVersion: "v1", kind: "ServiceAccount", metadata }]);
  const token = server.tokenFor("default", "brief");
  server.objects.delete("serviceaccounts", "brief", "default");
  server.objects.load([{ apiVersion: "v1", kind: "ServiceAccount", metadata }]);
  assert.equal((await send(server, "GET", "/api", undefined, { token })).code, 401);
  assert.throws(() => server.tokenFor("default", "nobody"), /No service account/);
});

test("a requested token is bound to its pod and names the pod's node", async () => {
  const spec = { nodeName: "n1", containers: [{ name: "c", image: "i" }] };
  const metadata = { name: "agent-pod", namespace: "default" };
  server.objects.load([{ apiVersion: "v1", kind: "Pod", metadata, spec }]);
  const request = {
    spec: { boundObjectRef: { kind: "Pod", name: "agent-pod" }, expirationSeconds: 600 },
  };
  const path = "/api/v1/namespaces/default/serviceaccounts/agent/token";
  const { code, body } = await send(server, "POST", path, request);
  assert.equal(code, 201);
  const token = textOf(at(body, "status", "token"));
  const self = await send(
    server,
    "POST",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    {},
    { token },
  );
  const extra = at(self.body, "status", "userInfo", "extra") as JsonObject;
  assert.deepEqual(extra["authentication.kubernetes.io/node-name"], ["n1"]);
  assert.deepEqual(extra["authentication.kubernetes.io/pod-name"], ["agent-pod"]);
  server.objects.delete("pods", "agent-pod", "default", { gracePeriodSeconds: 0 });
  assert.equal((await send(server, "GET", "/api", undefined, { token })).code, 401);
});

test("access reviews answer as authorization does", async () => {
  const token = server.tokenFor("default", "agent");
  const ask = async (verb: string): Promise<unknown> => {
    const body = { spec: { resourceAttributes: { verb, group: "", resource: "nodes" } } };
    const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    return at((await send(server, "POST", path, body, { token })).body, "status", "allowed");
  };
  assert.equal(await ask("list"), true);
  assert.equal(await ask("delete"), false);
});

test("a policy lets an agent write its own node and denies the others", async () => {
  const token = server.tokenFor("default", "agent", { nodeName: "n1" });
  const options = { token, contentType: merge };
  const body = { status: { phase: "x" } };
  assert.equal((await send(server, "PATCH", "/api/v1/nodes/n1/status", body, options)).code, 200);
  const denied = await send(server, "PATCH", "/api/v1/nodes/n2/status", body, options);
  assert.equal(denied.code, 403);
  assert.equal(
    denied.body["message"],
    `nodes "n2" is forbidden: ValidatingAdmissionPolicy 'own-node' with binding 'own-node' denied request: the agent of n1 may not write n2`,
  );
  const admin = { contentType: merge };
  assert.equal((await send(server, "PATCH", "/api/v1/nodes/n2/status", body, admin)).code, 200);
});

test("a policy compares with the old object; without a reason its denial is Invalid", async () => {
  const token = server.tokenFor("default", "agent", { nodeName: "n1" });
  const options = { token, contentType: merge };
  await send(server, "PATCH", "/api/v1/nodes/n1/status", { status: { frozen: true } }, options);
  const denied = await send(
    server,
    "PATCH",
    "/api/v1/nodes/n1/status",
    { status: { phase: "y" } },
    options,
  );
  assert.equal(denied.code, 422);
  assert.equal(denied.body["reason"], "Invalid");
  assert.match(textOf(denied.body["message"]), /denied request: the status is frozen$/);
});

test("a binding that warns lets the request through and says so", async () => {
  const metadata = { name: "kept", namespace: "default", labels: { keep: "yes" } };
  server.objects.load([{ apiVersion: "v1", kind: "ConfigMap", metadata }]);
  const answer = await send(server, "DELETE", "/api/v1/namespaces/default/configmaps/kept");
  assert.equal(answer.code, 200);
  assert.match(answer.headers.get("warning") ?? "", /it is kept/);
});

test("a policy that is not CEL, or takes parameters, is refused", async () => {
  const path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
  const resourceRules = [
    { apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"] },
  ];
  const policy = (spec: JsonObject): JsonObject => ({
    metadata: { name: "bad" },
    spec: { matchConstraints: { resourceRules }, ...spec },
  });
  const broken = await send(server, "POST", path, policy({ validations: [{ expression: "1 +" }] }));
  assert.equal(broken.code, 422);
  assert.equal(at(broken.body, "details", "causes", 0, "field"), "spec.validations[0].expression");
  const params = await send(
    server,
    "POST",
    path,
    policy({ paramKind: { apiVersion: "v1", kind: "ConfigMap" } }),
  );
  assert.equal(params.code, 422);
});

test("an administrator may act as another, and only an administrator", async () => {
  const as = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}`, "impersonate-user": "nobody" };
    return (await fetch(`${server.url}/api/v1/nodes`, { headers })).status;
  };
  assert.equal(await as(server.adminToken), 403);
  assert.equal(await as(server.tokenForUser("kubelet", ["system:nodes"])), 403);
});
