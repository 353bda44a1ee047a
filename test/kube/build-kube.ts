/**
 * Builds the servers of one Kubernetes version from the Go module proxy, once per machine, into a cache
 * outside the tree; etcd is Debian's. Says a line about every program. What was interrupted goes on from
 * Go's own cache.
 *
 *     node test/kube/build-kube.ts [v1.35.4] [program …]
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { KUBE_PROGRAMS, kubeBinaries, pinnedVersion } from "./kube-binaries.ts";
import type { KubeBinaries, KubeProgram } from "./kube-binaries.ts";

const PATH = [process.env["PATH"], "/usr/local/go/bin"].join(delimiter);
/** Static programs, and a heap that is let grow: half the time of the default. */
const GO = { ...process.env, PATH, CGO_ENABLED: "0", GOGC: "off", GOMEMLIMIT: "3GiB" };

const [versionAsked, ...programs] = process.argv.slice(2);
const binaries = kubeBinaries(versionAsked || undefined);
const wanted = programs.length > 0 ? (programs as KubeProgram[]) : KUBE_PROGRAMS;

if (process.env["KUBEBUILDER_ASSETS"] && binaries.missing(wanted).length > 0) {
  fail(
    `KUBEBUILDER_ASSETS is ${binaries.folder}, and ${binaries.missing(wanted).join(", ")} is not there: ` +
      `add it, or unset KUBEBUILDER_ASSETS and everything is built.`,
  );
}
for (const program of wanted) {
  if (existsSync(binaries.path(program))) {
    say(`${program} is there: ${binaries.path(program)}`);
    continue;
  }
  const startedMs = performance.now();
  say(`${program} ${program === "etcd" ? "is unpacked" : `${binaries.version} is built`}`);
  if (program === "etcd") unpackEtcd(binaries);
  else build(binaries, program);
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  const megabytes = Math.round(statSync(binaries.path(program)).size / 1e6);
  say(`${program} took ${seconds} s, ${megabytes} MB`);
}

function build({ version, folder, path }: KubeBinaries, program: KubeProgram): void {
  const module = goModule(version, folder);
  const [major, minor] = version.slice(1).split(".");
  const stamps = {
    "k8s.io/component-base/version.gitVersion": version,
    "k8s.io/component-base/version.gitMajor": major,
    "k8s.io/component-base/version.gitMinor": minor,
    "k8s.io/client-go/pkg/version.gitVersion": version,
  };
  const flags = Object.entries(stamps).map(([name, value]) => `-X ${name}=${value}`);
  const part = `${path(program)}.part`;
  const args = ["build", "-mod=mod", "-trimpath", "-buildvcs=false", "-p", "2"];
  const ldflags = ["-ldflags", `-s -w ${flags.join(" ")}`];
  const source = `k8s.io/kubernetes/cmd/${program}`;
  const { status, error } = spawnSync(
    "nice",
    ["-n", "10", "go", ...args, ...ldflags, "-o", part, source],
    {
      cwd: module,
      env: GO,
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  if (status !== 0) fail(`go build of ${program} ${version} failed (${error?.message ?? status})`);
  renameSync(part, path(program));
}

/** The folder of the Go module that requires a version: the pinned one of this folder, or one made for it. */
function goModule(version: string, folder: string): string {
  const module = join(folder, "module");
  if (existsSync(join(module, "go.mod"))) return module;
  mkdirSync(module, { recursive: true });
  if (version === pinnedVersion()) {
    for (const file of ["go.mod", "go.sum"]) {
      copyFileSync(join(import.meta.dirname, file), join(module, file));
    }
  } else {
    writeFileSync(join(module, "go.mod"), goModOf(version, module));
  }
  return module;
}

/** Kubernetes replaces its staging modules by folders; for everybody else they are v0.<minor>.<patch>. */
function goModOf(version: string, module: string): string {
  const downloaded = execFileSync(
    "go",
    ["mod", "download", "-json", `k8s.io/kubernetes@${version}`],
    {
      cwd: module,
      env: GO,
      encoding: "utf8",
    },
  );
  const upstream = readFileSync((JSON.parse(downloaded) as { GoMod: string }).GoMod, "utf8");
  const staging = [...upstream.matchAll(/(k8s\.io\/\S+) => \.\/staging\//g)].map(
    ([, name]) => name,
  );
  const line = (directive: RegExp): string => directive.exec(upstream)?.[0] ?? "";
  return [
    "module localhost/kube",
    line(/^go \S+$/m),
    line(/^godebug (\(\n(?:.*\n)*?\)|.*)$/m),
    `require k8s.io/kubernetes ${version}`,
    ...staging.map((name) => `replace ${name} => ${name} ${version.replace(/^v1/, "v0")}`),
    "",
  ].join("\n");
}

/** Debian's etcd-server, which is not installed: only its program is taken. */
function unpackEtcd({ folder, path }: KubeBinaries): void {
  const work = mkdtempSync(join(tmpdir(), "sbd-etcd-"));
  try {
    execFileSync("apt-get", ["download", "-qq", "etcd-server"], { cwd: work, stdio: "pipe" });
    const archive = readdirSync(work).find((name) => name.endsWith(".deb")) ?? "";
    execFileSync("dpkg-deb", ["-x", join(work, archive), join(work, "root")]);
    mkdirSync(folder, { recursive: true });
    copyFileSync(join(work, "root/usr/bin/etcd"), `${path("etcd")}.part`);
    renameSync(`${path("etcd")}.part`, path("etcd"));
  } catch (error) {
    fail(
      `No etcd: Debian's package etcd-server cannot be downloaded (${String(error).split("\n")[0]}). ` +
        `Put an etcd 3.4 or newer at ${path("etcd")}.`,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function say(line: string): void {
  console.log(`kube: ${line}`);
}

function fail(why: string): never {
  console.error(`kube: ${why}`);
  process.exit(1);
}
