import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { before, test } from "node:test";
import { parse } from "yaml";

import packageFile from "../package.json" with { type: "json" };
import { temporaryDirectory } from "../src/platform/testing/temporary-directory.ts";
import { type Plugin, writePlugin } from "./krew.ts";

const TEMPLATE = resolve(import.meta.dirname, "../deploy/krew/sbd.yaml");
const folder = temporaryDirectory();

type Platform = {
  readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly uri: string;
  readonly sha256: string;
  readonly bin: string;
};
type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly version: string;
    readonly homepage: string;
    readonly shortDescription: string;
    readonly description: string;
    readonly platforms: readonly Platform[];
  };
};

let made: Plugin;

before(async () => {
  made = await writePlugin(folder);
});

/** By ValidatePlugin of kubernetes-sigs/krew, internal/index/validation/validate.go; 50 characters by its guide. */
function assertSchema(path: string): Manifest {
  const manifest = parse(readFileSync(path, "utf8")) as Manifest;
  const { spec } = manifest;
  assert.equal(manifest.apiVersion, "krew.googlecontainertools.github.com/v1alpha2");
  assert.equal(manifest.kind, "Plugin");
  assert.match(manifest.metadata.name, /^[\w-]+$/);
  assert.equal(basename(path), `${manifest.metadata.name}.yaml`);
  assert.equal(spec.version, `v${packageFile.version}`);
  assert.match(spec.version, /^v\d+\.\d+\.\d+(-[\w.]+)?$/);
  assert.ok(spec.shortDescription.length > 0 && spec.shortDescription.length <= 50);
  assert.ok(spec.description.length > 0);
  assert.match(spec.homepage, /^https:\/\//);
  assert.ok(spec.platforms.length > 0);
  for (const { selector, uri, sha256, bin } of spec.platforms) {
    assert.deepEqual(Object.keys(selector.matchLabels).toSorted(), ["arch", "os"]);
    assert.ok(uri.includes(`/${spec.version}/`), `${uri} is of ${spec.version}`);
    assert.match(sha256, /^[a-f0-9]{64}$/);
    assert.ok(!bin.startsWith("/") && !bin.includes(".."));
  }
  return manifest;
}

function sumOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

test("the manifest is one that krew takes, of the version of package.json", () => {
  assertSchema(TEMPLATE);
  assertSchema(made.manifest);
});

test("its checksum is the archive's, and a second archive is the same", async () => {
  const [platform] = assertSchema(made.manifest).spec.platforms;
  assert.equal(platform?.sha256, sumOf(made.archive));
  assert.equal(basename(platform?.uri ?? ""), basename(made.archive));
  const again = await writePlugin(join(folder, "again"));
  assert.equal(sumOf(again.archive), sumOf(made.archive));
});

test("unpacked and linked as krew does, the plugin runs, with no Node.js on PATH", () => {
  const store = join(folder, "store");
  mkdirSync(store);
  const listed = execFileSync("tar", ["-tvzf", made.archive], { encoding: "utf8" });
  for (const line of listed.trim().split("\n")) assert.match(line, /^[-d]/, "krew takes no links");
  execFileSync("tar", ["-xzf", made.archive, "-C", store]);
  const [platform] = assertSchema(made.manifest).spec.platforms;
  const program = join(store, platform?.bin ?? "");
  assert.ok((statSync(program).mode & 0o111) !== 0);
  const link = join(folder, "kubectl-sbd");
  symlinkSync(program, link);
  const env = { PATH: "/usr/bin:/bin" };
  const said = execFileSync(link, ["version", "--client", "-o", "json"], { encoding: "utf8", env });
  assert.deepEqual(JSON.parse(said), { client: packageFile.version });
  const help = execFileSync(link, ["status", "--help"], { encoding: "utf8", env });
  assert.match(help, /Usage: kubectl sbd status/);
});
