import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import packageFile from "../package.json" with { type: "json" };
import { temporaryDirectory } from "../src/platform/testing/temporary-directory.ts";
import { kustomize, noKubectl, objectsOf, type RenderedObject } from "./kustomize.ts";
import { writeOlmBundle } from "./olm-bundle.ts";

type Permission = { readonly serviceAccountName: string; readonly rules: readonly object[] };
type Csv = RenderedObject & {
  readonly spec: {
    readonly version: string;
    readonly customresourcedefinitions: { readonly owned: readonly { readonly name: string }[] };
    readonly install: {
      readonly spec: {
        readonly permissions: readonly Permission[];
        readonly clusterPermissions: readonly Permission[];
        readonly deployments: readonly { readonly name: string; readonly spec: unknown }[];
      };
    };
  };
};

/** What registry+v1 takes of what we have; OLM refuses a bundle with anything else. */
const TAKEN = [
  "ClusterRole",
  "ClusterServiceVersion",
  "CustomResourceDefinition",
  "PodDisruptionBudget",
  "Service",
];

function bundled(objects: readonly RenderedObject[]): RenderedObject[] {
  const folder = join(temporaryDirectory(), "bundle");
  writeOlmBundle(folder, objects);
  return readdirSync(join(folder, "manifests")).flatMap((name) =>
    objectsOf(readFileSync(join(folder, "manifests", name), "utf8")),
  );
}

function rulesOf(objects: readonly RenderedObject[], kind: string, name: string): object[] {
  const role = objects.find((one) => one.kind === kind && one.metadata.name === name);
  return (role?.["rules"] ?? []) as object[];
}

test(
  "the OLM bundle installs the same Deployment, with the same rights",
  { skip: noKubectl },
  () => {
    const objects = kustomize("deploy/overlays/openshift");
    const made = bundled(objects);
    assert.deepEqual([...new Set(made.map(({ kind }) => kind))].sort(), TAKEN);
    const [csv] = made.filter(({ kind }) => kind === "ClusterServiceVersion") as [Csv];
    assert.deepEqual(
      [csv.metadata.name, csv.spec.version],
      [`sbd-operator.v${packageFile.version}`, packageFile.version],
    );
    const { permissions, clusterPermissions, deployments } = csv.spec.install.spec;
    const deployment = objects.find(({ kind }) => kind === "Deployment");
    assert.deepEqual(
      deployments.map(({ name, spec }) => [name, spec]),
      [["sbd-operator", deployment?.["spec"]]],
    );
    for (const account of ["sbd-operator", "sbd-agent", "sbd-fencer"]) {
      const of = (all: readonly Permission[]): readonly object[] =>
        all.find(({ serviceAccountName }) => serviceAccountName === account)?.rules ?? [];
      const own = rulesOf(objects, "ClusterRole", account);
      assert.ok(own.length > 0);
      assert.deepEqual(of(clusterPermissions).slice(0, own.length), own, account);
      const local = rulesOf(objects, "Role", account);
      for (const rule of local) {
        assert.ok(JSON.stringify(of(permissions)).includes(JSON.stringify(rule)), account);
      }
    }
    const crds = objects.filter(({ kind }) => kind === "CustomResourceDefinition");
    assert.deepEqual(
      csv.spec.customresourcedefinitions.owned.map(({ name }) => name).sort(),
      crds.map(({ metadata }) => metadata.name).sort(),
    );
    const examples = JSON.parse(
      (csv.metadata as unknown as { annotations: Record<string, string> }).annotations[
        "alm-examples"
      ] ?? "",
    ) as RenderedObject[];
    assert.deepEqual(
      examples.map(({ kind }) => kind),
      ["SBDConfig", "SBDRemediationTemplate"],
    );
  },
);
