/**
 * Plays the tests that speak to an API server against a real one: etcd, kube-apiserver and the
 * controllers of kube-controller-manager that deletion needs, on loopback. Then, on another one, those that
 * only a real one can be asked.
 *
 *     node test/kube/run-kube.ts [--if-possible] [--only name,…] [--list]
 *
 * `make kube` builds the servers. With `--if-possible` their absence is said, and no failure.
 */
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { ControlPlane } from "./control-plane.ts";
import { kubeBinaries, type KubeBinaries } from "./kube-binaries.ts";

const repository = join(import.meta.dirname, "../..");
/** Deletion needs them; all else the tests play themselves. */
const CONTROLLERS =
  "garbage-collector-controller,namespace-controller,validatingadmissionpolicy-status-controller,clusterrole-aggregation-controller";
/** Tests that run on either server; those of `src/testing/apiserver` are about the embedded one itself. */
const SHARED = [
  // First: as an administrator it writes what only fencers may, once deploy/ has brought its policies.
  "src/fencing/cluster/request-writer.test.ts",
  "src/kube/*.test.ts",
  "src/operator/shell/action-executor.test.ts",
  "src/agent/api/*.test.ts",
  "src/api/access.test.ts",
  "src/cli/confirm-off.test.ts",
  "src/fencer/live-fencer.test.ts",
];
const TEST_TIMEOUT_MS = 400_000;

const { values: options } = parseArgs({
  options: {
    "if-possible": { type: "boolean", default: false },
    only: { type: "string" },
    list: { type: "boolean", default: false },
  },
});
process.exitCode = await main();

async function main(): Promise<number> {
  const shared = files(SHARED);
  const own = files(["test/kube/*.kube.ts"]);
  if (options.list) {
    for (const file of [...shared, ...own]) console.log(file);
    return 0;
  }
  const binaries = kubeBinaries();
  const missing = binaries.missing(["etcd", "kube-apiserver", "kube-controller-manager"]);
  if (missing.length > 0) {
    const why = `${missing.join(", ")} ${binaries.version} not in ${binaries.folder}; make kube builds them`;
    console.log(
      `${options["if-possible"] ? "skipped" : "not run"}: tests on a real API server: ${why}`,
    );
    return options["if-possible"] ? 0 : 2;
  }
  let passed = true;
  for (const group of [shared, own].filter(({ length }) => length > 0)) {
    passed = (await playOnServer(binaries, group)) && passed;
  }
  return passed ? 0 : 1;
}

/** On a server that holds nothing yet. */
async function playOnServer(binaries: KubeBinaries, group: readonly string[]): Promise<boolean> {
  const startedMs = performance.now();
  const plane = await ControlPlane.start(binaries, {
    controllers: CONTROLLERS,
    // Pods are only records here, and no controller makes their accounts.
    serverFlags: ["--disable-admission-plugins=ServiceAccount"],
  });
  const readySeconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(
    `kube-apiserver ${binaries.version} is ready after ${readySeconds} s: ${plane.folder}`,
  );
  try {
    return await play(group, {
      SBD_KUBE_APISERVER: plane.describe(),
      SBD_KUBECONFIG_ADMIN: plane.adminKubeconfig,
    });
  } finally {
    await plane.stop();
  }
}

function files(patterns: readonly string[]): string[] {
  const found = patterns.flatMap((pattern) => globSync(pattern, { cwd: repository }).sort());
  return [...new Set(found)].filter(isChosen);
}

function isChosen(file: string): boolean {
  if (options.only === undefined) return true;
  return options.only.split(",").some((name) => basename(file).startsWith(name));
}

/** One file after another: they share a server. */
async function play(files: readonly string[], environment: NodeJS.ProcessEnv): Promise<boolean> {
  const child = spawn(
    process.execPath,
    ["--test", "--test-concurrency=1", `--test-timeout=${TEST_TIMEOUT_MS}`, ...files],
    { cwd: repository, stdio: "inherit", env: { ...process.env, ...environment } },
  );
  const { promise, resolve } = Promise.withResolvers<boolean>();
  child.on("exit", (code) => resolve(code === 0));
  return promise;
}
