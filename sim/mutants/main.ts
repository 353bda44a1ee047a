/**
 * Runs every mutant until the simulator catches it; one that is not caught is a hole in the
 * simulator. `MUTANT=name` runs one, `SEEDS=n` tries so many schedules on each.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { generateSchedule } from "../generate-schedule.ts";
import { simulate } from "../simulate.ts";
import { MUTANTS } from "./mutants.ts";
import type { Mutant } from "./mutant.ts";
import type { TrialResult } from "./trial-result.ts";

const SEEDS = 3_000;

function main(): void {
  const wanted = process.env["MUTANT"];
  const seeds = process.env["SEEDS"] ?? String(SEEDS);
  const escaped: string[] = [];
  for (const mutant of MUTANTS) {
    if (wanted === undefined || wanted === "" || wanted === mutant.name) {
      const result = runTrial(mutant, seeds);
      const fair = result.code === null || holdsWithout(mutant, result.schedules);
      console.log(describe(mutant, result) + (fair ? "" : " BUT SO DOES THE ORIGINAL"));
      if (result.code === null || !fair) {
        escaped.push(mutant.name);
      }
    }
  }
  if (escaped.length > 0) {
    console.error(`not caught: ${escaped.join(", ")}`);
    process.exitCode = 1;
  }
}

function runTrial(mutant: Mutant, seeds: string): TrialResult {
  const trial = fileURLToPath(new URL("trial.ts", import.meta.url));
  const output = execFileSync(process.execPath, [trial, mutant.name, seeds], { encoding: "utf8" });
  return JSON.parse(output) as TrialResult;
}

/** The same schedule without the mutant: it must be the mutant that breaks it. */
function holdsWithout({ hint }: Mutant, seed: number): boolean {
  return simulate(generateSchedule(seed, hint)).violation === null;
}

function describe({ name, hint }: Mutant, { code, schedules }: TrialResult): string {
  const outcome = code === null ? `NOT CAUGHT in ${schedules}` : `${code} after ${schedules}`;
  const frequent = Object.keys(hint.weights ?? {});
  const hinted = [
    ...(hint.pattern === undefined ? [] : [`pattern ${hint.pattern}`]),
    ...(hint.onStorageLoss === undefined ? [] : [hint.onStorageLoss]),
    ...(frequent.length === 0 ? [] : [`frequent: ${frequent.join(" ")}`]),
  ];
  return `${name.padEnd(40)} ${outcome.padEnd(24)} ${hinted.join("; ")}`.trimEnd();
}

main();
