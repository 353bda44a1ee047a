/**
 * Plays a whole cluster: the control plane of real Kubernetes on this machine, nodes as virtual machines
 * with real kubelets, and the image of this tree in them, installed from `deploy/`.
 *
 *     node test/cluster/run-cluster.ts [--only name,…] [--timeline] [--if-possible] [--list]
 *                                      [--budget-s seconds]
 *
 * What it needs it builds itself, once: servers (half an hour), image, the nodes' root disk.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { kubeBinaries } from "../kube/kube-binaries.ts";
import { bounded } from "../vm/bounded.ts";
import { createRunReport, notRun } from "../vm/run-report.ts";
import { makeWorkFolder } from "../vm/work-folder.ts";
import { monoMs } from "../vm/monotonic.ts";
import { qemuPackages, QemuPackagesError } from "../vm/qemu-packages.ts";
import { measuring, resultTable } from "../vm/scenario.ts";
import type { ScenarioResult } from "../vm/scenario.ts";
import { nodeImage } from "./node-image.ts";
import { nodeInitramfs } from "./node-initramfs.ts";
import type { RealClusterParts } from "./real-cluster.ts";
import { Rig } from "./rig.ts";
import { testImage } from "./test-image.ts";
import type { ClusterOutcome, ClusterScenario } from "./cluster-scenario.ts";
import { agentsRestarted, apiAway } from "./scenarios/nobody-dies.ts";
import {
  diskAndNetworkLost,
  kubeletStopped,
  networkCut,
  operatorLost,
  powerCut,
} from "./scenarios/node-lost.ts";
import { rebootedInOrder } from "./scenarios/rebooted-in-order.ts";
import { uninstall } from "./scenarios/uninstall.ts";

/** In this order on one cluster; the last leaves nothing installed. */
const SCENARIOS: readonly ClusterScenario[] = [
  networkCut,
  rebootedInOrder,
  apiAway,
  agentsRestarted,
  powerCut,
  kubeletStopped,
  diskAndNetworkLost,
  operatorLost,
  uninstall,
];

/** None is begun that may not end within the budget. */
const LONGEST_MS = 300_000;

process.removeAllListeners("warning");
const repository = join(import.meta.dirname, "../..");
const resultFolder = join(repository, "build/cluster");
const binaries = kubeBinaries();
const { elapsedMs, say, write } = createRunReport(resultFolder, { kubernetes: binaries.version });

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    "budget-s": { type: "string", default: "2400" },
    timeline: { type: "boolean", default: false },
    "if-possible": { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

if (options.list)
  for (const { name, sentence } of SCENARIOS) console.log(`${name.padEnd(20)}${sentence}`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const chosen = SCENARIOS.filter(
    ({ name }) => options.only === undefined || options.only.split(",").includes(name),
  );
  const budgetMs = Number(options["budget-s"]) * 1000;
  if (chosen.length === 0 || !(budgetMs > 0)) {
    console.error("--only wants names that --list shows, --budget-s seconds above 0");
    return 2;
  }
  const missing = binaries.missing();
  if (missing.length > 0) {
    if (options["if-possible"]) {
      console.log(
        `skipped: a cluster of real Kubernetes: ${missing.join(", ")} ${binaries.version} not in ` +
          `${binaries.folder}; make test-cluster builds them, in half an hour`,
      );
      return 0;
    }
    execFileSync(process.execPath, [join(repository, "test/kube/build-kube.ts")], {
      stdio: "inherit",
    });
  }
  const workFolder = makeWorkFolder("sbd-vm-");
  const rig = new Rig(workFolder);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      say(`${signal}: stopping the cluster`);
      void rig.stop().finally(() => {
        rmSync(workFolder, { recursive: true, force: true });
        process.exit(1);
      });
    });
  }
  try {
    const packages = qemuPackages(say);
    const archive = testImage(repository, say);
    const image = nodeImage({ packages, kubelet: binaries.path("kubelet"), archive, say });
    const initramfs = join(workFolder, "initramfs.cpio");
    nodeInitramfs(packages.busybox, image.modules, initramfs);
    const parts = { binaries, packages, initramfs, root: image.root };
    const results: ScenarioResult[] = [];
    for (const [index, scenario] of chosen.entries()) {
      const leftMs = budgetMs - elapsedMs();
      const result =
        leftMs < LONGEST_MS
          ? notRun(index + 1, scenario.sentence)
          : await play(rig, parts, scenario, index + 1, leftMs);
      results.push(result);
      write(results, packages);
    }
    await rig.stop();
    console.log(`\n${resultTable(results)}`);
    const bad = options["if-possible"] ? ["failed"] : ["failed", "not run"];
    return results.some(({ verdict }) => bad.includes(verdict)) ? 1 : 0;
  } catch (error) {
    if (!(error instanceof QemuPackagesError)) throw error;
    console.log(`${options["if-possible"] ? "skipped" : "not run"}: ${error.message}`);
    return options["if-possible"] ? 0 : 2;
  } finally {
    await rig.stop();
    rmSync(workFolder, { recursive: true, force: true });
  }
}

async function play(
  rig: Rig,
  parts: RealClusterParts,
  scenario: ClusterScenario,
  place: number,
  boundMs: number,
): Promise<ScenarioResult> {
  say(`${scenario.name}: ${scenario.sentence}`);
  const fromMs = monoMs();
  const {
    play: told,
    measured,
    findings,
    timeline,
  } = measuring(fromMs, (line) => {
    if (options.timeline) console.log(line);
  });
  let reason: string | undefined;
  const course = async (): Promise<ClusterOutcome> => {
    let cluster = rig.installed;
    if (cluster === undefined) {
      cluster = await rig.start(parts);
      told.tell("three nodes are Ready");
      await cluster.install(told);
      await cluster.startWorkload(told);
    }
    await cluster.healthy(told);
    return await scenario.run(cluster, told);
  };
  let outcome: ClusterOutcome | undefined;
  try {
    outcome = await bounded(course(), boundMs, `the end of ${scenario.name}`);
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  let kept: string | undefined;
  if (reason !== undefined) {
    kept = join(resultFolder, "failed", scenario.name);
    await keepWhatTells(rig, kept, timeline);
  }
  const tookMs = Math.round(monoMs() - fromMs);
  const verdict = reason === undefined ? "passed" : "failed";
  say(
    `${scenario.name}: ${verdict} in ${(tookMs / 1000).toFixed(1)} s${reason === undefined ? "" : `: ${reason}`}`,
  );
  console.log(
    JSON.stringify({
      scenario: scenario.name,
      outcome: verdict,
      evidence: outcome?.evidence ?? null,
      kubernetes: binaries.version,
      tookMs,
      timesMs: Object.fromEntries(measured.map(({ what, ms }) => [what, ms])),
      reason: reason ?? null,
    }),
  );
  const { sentence: name } = scenario;
  return { number: place, name, verdict, tookMs, measured, findings, reason, kept };
}

/** Consoles, logs and what the API server holds; the rig goes. */
async function keepWhatTells(rig: Rig, kept: string, timeline: readonly string[]): Promise<void> {
  rmSync(kept, { recursive: true, force: true });
  mkdirSync(kept, { recursive: true });
  writeFileSync(join(kept, "timeline.log"), timeline.map((line) => `${line}\n`).join(""));
  const { folder, installed } = rig;
  if (installed !== undefined) {
    const { kubectl, machines } = installed.real;
    const kinds =
      "nodes,pods,events,sbdconfigs,sbdnodes,sbdremediations,jobs,daemonsets,leases,pvc";
    const dump = await kubectl
      .run(["get", kinds, "-A", "-o", "yaml"], "", 30_000)
      .catch((error: unknown) => String(error));
    writeFileSync(join(kept, "objects.yaml"), dump);
    for (const { name } of machines.guests) {
      const script = [
        "echo '== seconds of processor, process, name, state, and where it waits'",
        `for process in /proc/[0-9]*; do
          echo "$(awk '{ print ($14 + $15) / 100, $1, $2, $3 }' $process/stat) $(cat $process/wchan)"
        done 2>/dev/null | sort -rn | head -n 40`,
        "tail -n 400 /var/log/kubelet.log; tail -n 100 /var/log/containerd.log",
        'for log in /var/log/pods/*/*/*.log; do echo "== $log"; tail -n 80 "$log"; done',
      ].join("\n");
      const output = await machines
        .guest(name)
        .tryShell(script, 60_000)
        .then((it) => it.output, String);
      writeFileSync(join(kept, `${name}.log`), output);
    }
  }
  await rig.stop();
  cpSync(folder, kept, {
    recursive: true,
    filter: (from) => !from.endsWith(".sock") && !from.endsWith("-root.img"),
  });
  rmSync(folder, { recursive: true, force: true });
}
