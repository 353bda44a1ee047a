import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { monoMs } from "./monotonic.ts";
import type { QemuPackages } from "./qemu-packages.ts";
import type { ScenarioResult } from "./scenario.ts";

/** What a run tells on its way, and leaves in `results.json` of its folder. */
export type RunReport = {
  readonly elapsedMs: () => number;
  /** A line, with the seconds since the start. */
  readonly say: (line: string) => void;
  /** After each scenario, so that an interrupted run leaves what it has. */
  readonly write: (results: readonly ScenarioResult[], packages: QemuPackages) => void;
};

/** @param played what else was played on, for the file */
export function createRunReport(
  folder: string,
  played: Readonly<Record<string, string>> = {},
): RunReport {
  const startedMs = monoMs();
  const elapsedMs = (): number => monoMs() - startedMs;
  return {
    elapsedMs,
    say: (line) => console.log(`${(elapsedMs() / 1000).toFixed(1).padStart(6)} s  ${line}`),
    write(results, packages) {
      mkdirSync(folder, { recursive: true });
      const report = {
        at: new Date().toISOString(),
        tookMs: Math.round(elapsedMs()),
        host: { kernel: release(), processors: cpus().length },
        guests: { kernel: packages.kernelRelease, emulator: packages.qemuVersion },
        ...played,
        scenarios: results,
      };
      writeFileSync(join(folder, "results.json"), `${JSON.stringify(report, undefined, 2)}\n`);
    },
  };
}

/** Of a scenario that the time was too short for. */
export function notRun(number: number, name: string): ScenarioResult {
  return {
    number,
    name,
    verdict: "not run",
    tookMs: 0,
    measured: [],
    findings: [],
    reason: "the time budget was used up before its turn",
    kept: undefined,
  };
}
