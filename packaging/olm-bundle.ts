import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";

import packageFile from "../package.json" with { type: "json" };
import { CUSTOM_RESOURCES } from "../src/api/custom-resources.ts";
import { API_GROUP, API_VERSION_NAME, SYSTEM_NAMESPACE } from "../src/api/group.ts";
import { MIN_KUBERNETES } from "../src/operator/kubernetes-version.ts";
import { objectsOf, type RenderedObject } from "./kustomize.ts";

const REPOSITORY = resolve(import.meta.dirname, "..");
/** Objects that a bundle holds as they are; the accounts and what they may do stand in the CSV. */
const AS_THEY_ARE = new Set([
  "CustomResourceDefinition",
  "ClusterRole",
  "Service",
  "PodDisruptionBudget",
]);

type Rules = readonly unknown[];
type Subject = { readonly kind: string; readonly name: string };

/**
 * Writes an OLM bundle (registry+v1) from the objects of `deploy/overlays/openshift`. OLM takes neither
 * admission policies, nor quotas, nor the Namespace: docs/install.md has them applied before.
 */
export function writeOlmBundle(folder: string, objects: readonly RenderedObject[]): void {
  rmSync(folder, { recursive: true, force: true });
  const manifests = join(folder, "manifests");
  mkdirSync(manifests, { recursive: true });
  mkdirSync(join(folder, "metadata"));
  const granted = new Set<RenderedObject>();
  const csv = clusterServiceVersion(objects, granted);
  write(join(manifests, "sbd-operator.clusterserviceversion.yaml"), csv);
  for (const object of objects) {
    if (AS_THEY_ARE.has(object.kind) && !granted.has(object)) {
      const { kind, metadata } = object;
      write(join(manifests, `${metadata.name}.${kind.toLowerCase()}.yaml`), object);
    }
  }
  write(join(folder, "metadata/annotations.yaml"), {
    annotations: {
      "operators.operatorframework.io.bundle.mediatype.v1": "registry+v1",
      "operators.operatorframework.io.bundle.manifests.v1": "manifests/",
      "operators.operatorframework.io.bundle.metadata.v1": "metadata/",
      "operators.operatorframework.io.bundle.package.v1": "sbd-operator",
      "operators.operatorframework.io.bundle.channels.v1": "alpha",
      "operators.operatorframework.io.bundle.channel.default.v1": "alpha",
    },
  });
}

function clusterServiceVersion(
  objects: readonly RenderedObject[],
  granted: Set<RenderedObject>,
): unknown {
  const { version, license } = packageFile;
  const deployment = objects.find(({ kind }) => kind === "Deployment");
  if (deployment === undefined) throw new Error("there is no Deployment to install");
  const samples = ["sbdconfig", "sbdremediationtemplate"].flatMap((name) =>
    objectsOf(read(`deploy/samples/${name}.yaml`)),
  );
  return {
    apiVersion: "operators.coreos.com/v1alpha1",
    kind: "ClusterServiceVersion",
    metadata: {
      name: `sbd-operator.v${version}`,
      namespace: "placeholder",
      annotations: {
        "alm-examples": JSON.stringify(samples, undefined, 2),
        capabilities: "Seamless Upgrades",
        categories: "OpenShift Optional, Storage",
        description: packageFile.description,
        containerImage: `sbd-operator:${version}`,
        "operatorframework.io/suggested-namespace": SYSTEM_NAMESPACE,
        "operatorframework.io/suggested-namespace-template": JSON.stringify(
          objects.find(({ kind }) => kind === "Namespace"),
        ),
      },
    },
    spec: {
      displayName: "Storage-Based Death",
      description: read("packaging/olm/description.md"),
      version,
      minKubeVersion: MIN_KUBERNETES,
      maturity: "alpha",
      provider: { name: "sbd-operator" },
      keywords: ["fencing", "high availability", "sbd", "medik8s", license],
      links: [],
      maintainers: [],
      installModes: ["OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces"].map(
        (type) => ({ type, supported: type === "AllNamespaces" }),
      ),
      customresourcedefinitions: {
        owned: CUSTOM_RESOURCES.map(({ kind, plural, description }) => ({
          name: `${plural}.${API_GROUP}`,
          version: API_VERSION_NAME,
          kind,
          displayName: kind,
          description,
        })),
      },
      install: {
        strategy: "deployment",
        spec: {
          permissions: permissions(objects, "RoleBinding", granted),
          clusterPermissions: permissions(objects, "ClusterRoleBinding", granted),
          deployments: [
            {
              name: deployment.metadata.name,
              label: (deployment.metadata as { labels?: unknown }).labels,
              spec: deployment["spec"],
            },
          ],
        },
      },
    },
  };
}

/** Rules by the account that a binding gives them to, and the roles that so need no place of their own. */
function permissions(
  objects: readonly RenderedObject[],
  bindingKind: "RoleBinding" | "ClusterRoleBinding",
  granted: Set<RenderedObject>,
): unknown[] {
  const byAccount = new Map<string, Rules>();
  for (const binding of objects.filter(({ kind }) => kind === bindingKind)) {
    const { kind, name } = binding["roleRef"] as Subject;
    const role = objects.find((object) => object.kind === kind && object.metadata.name === name);
    const rules = role === undefined ? builtInRules(name) : (role["rules"] as Rules);
    if (role !== undefined) granted.add(role);
    for (const account of binding["subjects"] as readonly Subject[]) {
      byAccount.set(account.name, [...(byAccount.get(account.name) ?? []), ...rules]);
    }
  }
  return [...byAccount].map(([serviceAccountName, rules]) => ({ serviceAccountName, rules }));
}

/** Of the one role that OpenShift brings and a binding of ours names. */
function builtInRules(name: string): Rules {
  if (name !== "system:openshift:scc:privileged") {
    throw new Error(`nobody knows what ClusterRole ${name} allows`);
  }
  return [
    {
      apiGroups: ["security.openshift.io"],
      resources: ["securitycontextconstraints"],
      resourceNames: ["privileged"],
      verbs: ["use"],
    },
  ];
}

function read(path: string): string {
  return readFileSync(join(REPOSITORY, path), "utf8");
}

function write(path: string, object: unknown): void {
  writeFileSync(path, stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }));
}
