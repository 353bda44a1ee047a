import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { execFileSync } from "node:child_process";
import { Kubectl } from "../cluster/kubectl.ts";
import { remediationTemplate, sbdConfig } from "../cluster/manifests.ts";
import { kubeBinaries } from "./kube-binaries.ts";

type List = { readonly items: readonly Policy[] };
type Policy = {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly typeChecking?: { readonly expressionWarnings?: readonly object[] };
  };
};

const repository = join(import.meta.dirname, "../..");
const DEPLOY = join(repository, "deploy");
const SAMPLES = ["sbdconfig.yaml", "sbdremediationtemplate.yaml"];
const SERVER_SIDE = ["apply", "--server-side", "--force-conflicts"];
/** The controller that type-checks policies looks at what the server serves by its own copy of it. */
const TYPE_CHECKED_MS = 60_000;

const binaries = kubeBinaries();
const kubectl = new Kubectl(binaries.path("kubectl"), process.env["SBD_KUBECONFIG_ADMIN"] ?? "");

function assertNoComplaint(output: string): void {
  assert.doesNotMatch(output, /^(warning|error)/im);
}

/** Of every object of deploy/ that has one. */
async function generations(): Promise<string[]> {
  const list = JSON.parse(await kubectl.run(["get", "-k", DEPLOY, "-o", "json"])) as {
    readonly items: readonly {
      readonly kind: string;
      readonly metadata: { readonly name: string; readonly generation?: number };
    }[];
  };
  return list.items.map(
    ({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.generation ?? ""}`,
  );
}

before(async () => {
  assertNoComplaint(await kubectl.run(["apply", "-k", DEPLOY]));
});

test("deploy/ applies again without a change", async () => {
  // kubectl calls configured whatever it has sent a patch for; the generation tells what has changed.
  const before = await generations();
  assertNoComplaint(await kubectl.run(["apply", "-k", DEPLOY]));
  assert.deepEqual(await generations(), before);
});

test("deploy/ applies on the server's side, and takes over what was applied in the client", async () => {
  assertNoComplaint(await kubectl.run([...SERVER_SIDE, "-k", DEPLOY]));
});

test("dist/install.yaml, as make manifests writes it, applies the same", async () => {
  execFileSync(process.execPath, [join(repository, "packaging/manifests.ts")], { stdio: "pipe" });
  const file = join(repository, "dist/install.yaml");
  assertNoComplaint(await kubectl.run([...SERVER_SIDE, "--dry-run=server", "-f", file]));
});

test("no policy has an expression that the server finds fault with", async () => {
  const endMs = performance.now() + TYPE_CHECKED_MS;
  for (;;) {
    const list = JSON.parse(
      await kubectl.run(["get", "validatingadmissionpolicies", "-o", "json"]),
    ) as List;
    const ours = list.items.filter(({ metadata }) => metadata.name.endsWith(".medik8s.io"));
    assert.ok(ours.length >= 7, `${ours.length} policies`);
    const unchecked = ours.filter(
      ({ metadata, status }) => status?.observedGeneration !== metadata.generation,
    );
    if (unchecked.length === 0) {
      for (const { metadata, status } of ours) {
        assert.deepEqual(status?.typeChecking?.expressionWarnings ?? [], [], metadata.name);
      }
      return;
    }
    const names = unchecked.map(({ metadata }) => metadata.name).join(", ");
    assert.ok(performance.now() < endMs, `not type-checked: ${names}`);
    await delay(500);
  }
});

test("kubectl explain knows every field of a spec, each with a description", async () => {
  for (const kind of ["sbdconfig", "sbdnode", "sbdremediation", "sbdremediationtemplate"]) {
    const output = await kubectl.run(["explain", `${kind}.spec`]);
    assert.match(output, /^FIELDS:/m, kind);
    const fields = output.slice(output.indexOf("FIELDS:"));
    assert.doesNotMatch(fields, /<no description>/, kind);
  }
});

test("kubectl get has the columns that docs speak of", async () => {
  await kubectl.apply(sbdConfig(30, 15), remediationTemplate());
  try {
    const header = (await kubectl.run(["get", "sbdconfigs"])).split("\n")[0] ?? "";
    for (const column of ["TIMEOUT", "WATCHDOG", "NODES", "ARMED", "READY"]) {
      assert.match(header, new RegExp(column));
    }
  } finally {
    await kubectl.run(["delete", "sbdconfig", "default", "--wait=false"]);
  }
});

test("the samples are taken as they are", async () => {
  for (const sample of SAMPLES) {
    const manifest = readFileSync(join(DEPLOY, "samples", sample), "utf8");
    assertNoComplaint(await kubectl.run(["apply", "--dry-run=server", "-f", "-"], manifest));
  }
});
