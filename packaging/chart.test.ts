import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { execFileSync, spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { parse } from "yaml";

import packageFile from "../package.json" with { type: "json" };
import { MIN_KUBERNETES } from "../src/operator/kubernetes-version.ts";
import { temporaryDirectory } from "../src/platform/testing/temporary-directory.ts";
import { writeChart } from "./chart.ts";
import { kustomize, noKubectl, objectsOf, type RenderedObject } from "./kustomize.ts";

const CHART = resolve(import.meta.dirname, "../charts/sbd-operator");
const BUILT = join(
  process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
  "sbd-operator/helm/helm",
);
const helm = existsSync(BUILT) ? BUILT : "helm";
const noHelm =
  spawnSync(helm, ["version"]).status === 0
    ? noKubectl
    : "there is no helm here: packaging/install-helm.sh builds one";

let chart: string;

before(() => {
  chart = join(temporaryDirectory(), "sbd-operator");
  cpSync(CHART, chart, { recursive: true });
  writeChart(chart);
});

/** Without a cluster helm assumes a version of its own, which `kubeVersion` may refuse. */
function template(...more: readonly string[]): RenderedObject[] {
  return objectsOf(
    execFileSync(
      helm,
      [
        "template",
        "sbd-operator",
        chart,
        "--namespace",
        "sbd-system",
        "--include-crds",
        "--kube-version",
        "1.30.0",
        ...more,
      ],
      { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 2 ** 26 },
    ),
  );
}

function byName(objects: readonly RenderedObject[]): Map<string, RenderedObject> {
  return new Map(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object]));
}

/** helm wants the Namespace to be there, so that the chart cannot bring it. */
function assertSame(chartObjects: readonly RenderedObject[], folder: string): void {
  const wanted = byName(kustomize(folder).filter(({ kind }) => kind !== "Namespace"));
  const found = byName(chartObjects);
  assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort());
  for (const [name, object] of wanted) assert.deepEqual(found.get(name), object, name);
}

test("the chart's version is package.json's", () => {
  const { version, appVersion } = parse(readFileSync(join(CHART, "Chart.yaml"), "utf8")) as {
    version: string;
    appVersion: string;
  };
  assert.deepEqual([version, appVersion], [packageFile.version, packageFile.version]);
});

test("by default the chart makes what kustomize makes", { skip: noHelm }, () => {
  assertSame(template(), "deploy");
});

test("with its options it makes what the overlays make", { skip: noHelm }, () => {
  const monitored = ["--set", "monitoring.enabled=true,networkPolicy.enabled=true"];
  assertSame(template(...monitored), "deploy/overlays/monitored");
  const openshift = [...monitored, "--set", "openshift.enabled=true"];
  assertSame(template(...openshift), "deploy/overlays/openshift");
});

test("an image of another name is named once", { skip: noHelm }, () => {
  const objects = template("--set", "image.repository=registry.example.com/sbd,image.tag=7");
  const images = [...JSON.stringify(objects).matchAll(/"image":"([^"]*)"/g)].map(
    ([, name]) => name,
  );
  assert.deepEqual(images, ["registry.example.com/sbd:7"]);
});

test("another namespace is refused", { skip: noHelm }, () => {
  assert.throws(() => template("--namespace", "default"), /lives in namespace sbd-system/);
});

test("helm lint finds nothing", { skip: noHelm }, () => {
  execFileSync(helm, ["lint", "--strict", "--namespace", "sbd-system", chart], { stdio: "pipe" });
});

test("the chart asks for the Kubernetes that the operator asks for", () => {
  const { kubeVersion } = parse(readFileSync(join(chart, "Chart.yaml"), "utf8")) as {
    readonly kubeVersion: string;
  };
  assert.equal(kubeVersion, `>=${MIN_KUBERNETES}-0`);
});
