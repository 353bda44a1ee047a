import assert from "node:assert/strict";
import { test } from "node:test";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import { CUSTOM_RESOURCES } from "./custom-resources.ts";
import { admit } from "./testing/admit.ts";
import { manifestPaths, manifests } from "./testing/manifests.ts";
import type { Manifest } from "./testing/manifests.ts";

type Rule = {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
};

const OPERATOR = "rbac/sbd_operator_role.yaml";
const EXTERNAL = "rbac/ext_remediation_role.yaml";
const READS = new Set(["get", "list", "watch"]);

function rulesOf(path: string): Rule[] {
  return manifests(path).flatMap((manifest) => (manifest["rules"] ?? []) as Rule[]);
}

/** The only object of a file. */
function only(path: string): Manifest {
  const [manifest, ...more] = manifests(path);
  assert.ok(manifest !== undefined && more.length === 0);
  return manifest;
}

function verbsFor(path: string, group: string, resource: string): string[] {
  return rulesOf(path)
    .filter(({ apiGroups, resources }) => apiGroups.includes(group) && resources.includes(resource))
    .flatMap(({ verbs }) => verbs);
}

test("every manifest is applied by exactly one kustomization, save the samples", () => {
  const paths = manifestPaths();
  const applied = manifests("kustomization.yaml").flatMap((kustomization) => {
    const { resources } = kustomization as unknown as { resources: string[] };
    return resources;
  });
  const expected = paths.filter((path) => !path.includes("kustomization"));
  assert.deepEqual(applied.sort(), expected);
});

test("no role is given a wildcard, secrets, or a way to more rights", () => {
  for (const path of manifestPaths().filter((path) => path.startsWith("rbac/"))) {
    for (const { apiGroups, resources, verbs } of rulesOf(path)) {
      for (const word of [...apiGroups, ...resources, ...verbs]) {
        assert.doesNotMatch(word, /\*|secrets|escalate|impersonate|bind|exec|serviceaccounts/);
      }
    }
  }
});

for (const path of ["rbac/sbd_agent_role.yaml", "rbac/sbd_fencer_role.yaml"]) {
  test(`${path}: fencing goes over the device, so nothing but reports is written`, () => {
    const written = rulesOf(path)
      .filter(({ verbs }) => verbs.some((verb) => !READS.has(verb)))
      .flatMap(({ resources, verbs }) => resources.map((r) => `${r} ${verbs.join()}`))
      .sort();
    const reports = ["events create,patch", "sbdremediations/status patch"];
    const own = path.includes("agent") ? ["sbdnodes/status patch"] : ["leases get,create,update"];
    assert.deepEqual(written, [...reports, ...own].sort());
  });
}

test("agents never touch Nodes or Pods", () => {
  for (const resource of ["nodes", "nodes/status", "pods"]) {
    const verbs = verbsFor("rbac/sbd_agent_role.yaml", "", resource);
    assert.deepEqual(
      verbs.filter((verb) => !READS.has(verb)),
      [],
    );
  }
});

test("the operator never deletes a request: NodeHealthCheck would make it anew", () => {
  const verbs = verbsFor(OPERATOR, "medik8s.io", "sbdremediations");
  assert.deepEqual(
    verbs.filter((verb) => ["create", "delete", "deletecollection"].includes(verb)),
    [],
  );
});

test("the operator may taint and report on nodes, but not delete or replace one", () => {
  assert.deepEqual(verbsFor(OPERATOR, "", "nodes"), ["get", "list", "watch", "patch"]);
  assert.deepEqual(verbsFor(OPERATOR, "", "nodes/status"), ["patch"]);
  assert.deepEqual(verbsFor(OPERATOR, "", "pods"), ["get", "list", "watch", "delete"]);
});

test("the operator patches an SBDConfig's finalizer and its status, and never makes or deletes one", () => {
  assert.deepEqual(verbsFor(OPERATOR, "medik8s.io", "sbdconfigs"), [
    "get",
    "list",
    "watch",
    "patch",
  ]);
});

test("the operator reads claims, and makes and removes Jobs, in its own namespace alone", () => {
  const found = manifests(OPERATOR).flatMap((manifest) =>
    ((manifest["rules"] ?? []) as Rule[])
      .filter(({ resources }) =>
        resources.some((resource) => ["persistentvolumeclaims", "jobs"].includes(resource)),
      )
      .map(({ resources, verbs }) => [manifest.kind, resources.join(), verbs.join()]),
  );
  assert.deepEqual(found, [
    ["Role", "persistentvolumeclaims", "get,list,watch"],
    ["Role", "jobs", "get,list,watch,create,delete"],
  ]);
});

test("NodeHealthCheck is given what it needs, by its label", () => {
  const role = only(EXTERNAL);
  assert.equal(
    role.metadata?.labels?.["rbac.ext-remediation/aggregate-to-ext-remediation"],
    "true",
  );
  assert.deepEqual(verbsFor(EXTERNAL, "medik8s.io", "sbdremediationtemplates"), [
    "get",
    "list",
    "watch",
  ]);
  assert.deepEqual(verbsFor(EXTERNAL, "medik8s.io", "sbdremediations").sort(), [
    "create",
    "delete",
    "get",
    "list",
    "patch",
    "update",
    "watch",
  ]);
});

test("every binding binds a role and an account that exist", () => {
  const all = manifestPaths().flatMap((path) => manifests(path));
  const known = (kind: string, name: string): boolean =>
    all.some((manifest) => manifest.kind === kind && manifest.metadata?.name === name);
  const bindings = all.filter(({ kind }) => /^(Cluster)?RoleBinding$/.test(kind));
  assert.equal(bindings.length > 0, true);
  for (const binding of bindings) {
    const { kind, name } = binding["roleRef"] as { kind: string; name: string };
    assert.ok(name.startsWith("system:") || known(kind, name), name);
    for (const subject of binding["subjects"] as { kind: string; name: string }[]) {
      assert.ok(known(subject.kind, subject.name), subject.name);
    }
  }
});

test("the samples are what the CRDs take", () => {
  for (const path of ["../samples/sbdconfig.yaml", "../samples/sbdremediationtemplate.yaml"]) {
    const [sample] = manifests(path);
    const resource = CUSTOM_RESOURCES.find(({ kind }) => kind === sample?.kind);
    assert.ok(sample && resource);
    assert.deepEqual(admit(customResourceDefinition(resource), sample).faults, []);
  }
});

test("the sample NodeHealthCheck points at the sample template", () => {
  const check = only("../samples/nodehealthcheck.yaml");
  const template = only("../samples/sbdremediationtemplate.yaml");
  const { remediationTemplate } = check["spec"] as { remediationTemplate: object };
  assert.deepEqual(remediationTemplate, {
    apiVersion: template["apiVersion"],
    kind: template.kind,
    name: template.metadata?.name,
    namespace: template.metadata?.namespace,
  });
});

test("each ServiceMonitor finds the Service of its name, and the Service its pods' port by its name", () => {
  const all = [
    ...manifests("operator/agent-metrics-service.yaml"),
    ...manifests("../components/monitoring/servicemonitor.yaml"),
  ];
  const monitors = all.filter(({ kind }) => kind === "ServiceMonitor");
  assert.deepEqual(
    monitors.map(({ metadata }) => metadata?.name),
    ["sbd-agent", "sbd-operator", "sbd-fencer"],
  );
  for (const monitor of monitors) {
    const name = monitor.metadata?.name ?? "";
    const service = all.find(
      ({ kind, metadata }) => kind === "Service" && metadata?.name === `${name}-metrics`,
    );
    assert.ok(service);
    const { matchLabels } = (monitor["spec"] as { selector: { matchLabels: object } }).selector;
    assert.deepEqual(matchLabels, { app: name });
    assert.deepEqual({ ...service.metadata?.labels, ...matchLabels }, service.metadata?.labels);
    const spec = service["spec"] as Readonly<Record<string, unknown>>;
    assert.deepEqual(spec["selector"], { app: name });
    assert.equal(spec["publishNotReadyAddresses"], true);
    assert.deepEqual(spec["ports"], [
      { name: "metrics", port: 8080, targetPort: "metrics", protocol: "TCP" },
    ]);
  }
});

test("two operators, each on its own node where it can be, with no more rights than they use", () => {
  const deployment = only("operator/deployment.yaml");
  const spec = deployment["spec"] as {
    replicas: number;
    template: { spec: { securityContext: object; containers: Manifest[] } };
  };
  assert.equal(spec.replicas, 2);
  const [container] = spec.template.spec.containers;
  assert.deepEqual(container?.["securityContext"], {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  assert.equal(JSON.stringify(spec.template.spec).includes('"runAsNonRoot":true'), true);
});
