/**
 * Real kernels, a real watchdog, a real shared disk: plays scenarios on virtual machines, prints
 * what they measured, and leaves the same in `build/vm/results.json`.
 *
 *     node test/vm/run-vm.ts [--only 1,4] [--self-check] [--timeline] [--if-possible]
 *         [--budget-s 2400] [--list]
 *
 * Numbers from 101 on judge the harness itself; `--self-check` plays those. `--timeline` shows what
 * happens while it happens.
 *
 * Exit status: 0 when all passed, 1 when one failed or found no time, 2 when nothing could be played.
 * With `--if-possible` only a failure counts: what cannot be played, or not in the time, is said.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createRunReport, notRun } from "./run-report.ts";
import { makeWorkFolder } from "./work-folder.ts";
import type { Cluster } from "./cluster.ts";
import { buildInitramfs } from "./initramfs.ts";
import { qemuPackages, QemuPackagesError } from "./qemu-packages.ts";
import { playScenario, resultTable } from "./scenario.ts";
import type { Scenario, ScenarioResult } from "./scenario.ts";
import { agentKilled } from "./scenarios/agent-killed.ts";
import { crashLoop, messageDuringRestart, rollingRestart } from "./scenarios/agent-restarts.ts";
import { apiCut } from "./scenarios/api-cut.ts";
import { bothLost } from "./scenarios/both-lost.ts";
import { diskHangs } from "./scenarios/disk-hangs.ts";
import { diskSlow } from "./scenarios/disk-slow.ts";
import { agentStopped, kernelPanics, processorHogged } from "./scenarios/frozen.ts";
import { pausedPastBound } from "./scenarios/machine-paused.ts";
import { message } from "./scenarios/message.ts";
import { messageStands } from "./scenarios/message-stands.ts";
import { largeBlocks, nowayout, slewedClocks, softdog, tco } from "./scenarios/other-hardware.ts";
import { rebootMethod } from "./scenarios/reboot-method.ts";
import { rebootedBefore } from "./scenarios/rebooted-before.ts";
import { secondMessage } from "./scenarios/second-message.ts";
import { shortenedWatchdogs } from "./scenarios/shortened-watchdog.ts";
import { takeover } from "./scenarios/takeover.ts";
import { targetOff } from "./scenarios/target-off.ts";
import { arrayLoss, storageLossSelfFence, storageLossSurvives } from "./scenarios/storage-loss.ts";
import { writesFail } from "./scenarios/writes-fail.ts";
import { diskFaults } from "./self-checks/disk-faults.ts";
import { diskHang } from "./self-checks/disk-hang.ts";
import { diskUnplugged } from "./self-checks/disk-unplugged.ts";
import { kernelPanic } from "./self-checks/kernel-panic.ts";
import { machinePaused } from "./self-checks/machine-paused.ts";
import { networkCut } from "./self-checks/network-cut.ts";
import { petted } from "./self-checks/petted.ts";
import { sharedDisk } from "./self-checks/shared-disk.ts";
import { unpetted } from "./self-checks/unpetted.ts";
import { watchdogClosed } from "./self-checks/watchdog-closed.ts";

/** In this order; numbers are for `--only` and stay with their scenario. */
const SCENARIOS: readonly Scenario[] = [
  message,
  apiCut,
  storageLossSelfFence,
  storageLossSurvives,
  diskHangs,
  writesFail,
  bothLost,
  agentKilled,
  agentStopped,
  kernelPanics,
  processorHogged,
  pausedPastBound,
  diskSlow,
  arrayLoss,
  targetOff,
  messageDuringRestart,
  secondMessage,
  messageStands,
  rebootedBefore,
  softdog,
  nowayout,
  largeBlocks,
  takeover,
  rollingRestart,
  crashLoop,
  rebootMethod,
  tco,
  slewedClocks,
  ...shortenedWatchdogs,
  sharedDisk,
  unpetted,
  petted,
  watchdogClosed,
  kernelPanic,
  diskFaults,
  diskHang,
  diskUnplugged,
  machinePaused,
  networkCut,
];

const SELF_CHECKS_FROM = 101;
/** None is begun that may not end within the budget: the longest took 150 s. */
const LONGEST_MS = 180_000;
/** What busybox lacks. */
const FILES = new Map([["/usr/bin/chrt", "/usr/bin/chrt"]]);

// Stripping types by hand is experimental, which is no news to whoever watches the guests.
process.removeAllListeners("warning");

const repository = join(import.meta.dirname, "../..");
const resultFolder = join(repository, "build/vm");
const { elapsedMs, say, write } = createRunReport(resultFolder);

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    "budget-s": { type: "string", default: "2400" },
    "self-check": { type: "boolean", default: false },
    timeline: { type: "boolean", default: false },
    "if-possible": { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

if (options.list) {
  for (const scenario of SCENARIOS)
    console.log(`${String(scenario.number).padStart(3)}  ${scenario.name}`);
} else {
  process.exitCode = await main();
}

async function main(): Promise<number> {
  const chosen = chosenScenarios(options.only);
  const budgetMs = Number(options["budget-s"]) * 1000;
  if (chosen === undefined || !(budgetMs > 0)) {
    console.error("--only wants numbers that --list shows, --budget-s seconds above 0");
    return 2;
  }
  const workFolder = makeWorkFolder("sbd-vm-");
  let playing: Cluster | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      say(`${signal}: stopping the guests`);
      void (playing?.stop() ?? Promise.resolve()).finally(() => {
        rmSync(workFolder, { recursive: true, force: true });
        process.exit(1);
      });
    });
  }
  try {
    const packages = qemuPackages(say);
    const contents = { repository, files: FILES };
    const initramfs = await buildInitramfs(packages, contents, workFolder, say);
    const stage = {
      parts: { packages, initramfs },
      workFolder,
      keepFolder: join(resultFolder, "failed"),
      current: (cluster: Cluster | undefined): void => {
        playing = cluster;
      },
      show: (line: string): void => {
        if (options.timeline) console.log(line);
      },
    };
    const results: ScenarioResult[] = [];
    for (const [index, scenario] of chosen.entries()) {
      const leftMs = budgetMs - elapsedMs();
      if (leftMs < LONGEST_MS) {
        results.push(notRun(scenario.number, scenario.name));
        write(results, packages);
        continue;
      }
      say(`${scenario.number}: ${scenario.name}`);
      const result = await playScenario(scenario, { ...stage, place: index + 1 }, leftMs);
      const took = `${(result.tookMs / 1000).toFixed(1)} s`;
      const why = result.reason === undefined ? "" : `: ${result.reason}`;
      say(`${scenario.number}: ${result.verdict} in ${took}${why}`);
      results.push(result);
      write(results, packages);
    }
    console.log(`\n${resultTable(results)}`);
    const bad = options["if-possible"] ? ["failed"] : ["failed", "not run"];
    return results.some(({ verdict }) => bad.includes(verdict)) ? 1 : 0;
  } catch (error) {
    if (!(error instanceof QemuPackagesError)) throw error;
    if (options["if-possible"]) {
      console.log(`skipped: ${error.message}`);
      return 0;
    }
    console.error(error.message);
    return 2;
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
}

function chosenScenarios(only: string | undefined): readonly Scenario[] | undefined {
  if (only === undefined) {
    return SCENARIOS.filter(({ number }) => number >= SELF_CHECKS_FROM === options["self-check"]);
  }
  const numbers = only.split(",").map(Number);
  const chosen = SCENARIOS.filter((scenario) => numbers.includes(scenario.number));
  const known = new Set(SCENARIOS.map(({ number }) => number));
  return numbers.every((number) => known.has(number)) ? chosen : undefined;
}
