/**
 * One mutant in a process of its own: patches the sources as they are loaded, then runs schedules
 * until an invariant breaks. Prints one line of JSON. `trial.ts NAME SEEDS`
 */
import { registerHooks } from "node:module";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

import { MUTANTS } from "./mutants.ts";
import { patchSource } from "./patch-source.ts";
import type { TrialResult } from "./trial-result.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

async function main(): Promise<void> {
  const [name = "", seeds = "0"] = process.argv.slice(2);
  const mutant = MUTANTS.find((known) => known.name === name);
  if (mutant === undefined) {
    throw new Error(`There is no mutant '${name}'`);
  }
  const patched = new Set<string>();
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const file = url.startsWith("file:") ? relative(ROOT, fileURLToPath(url)) : "";
      if (loaded.source == null || !mutant.patches.some((patch) => patch.file === file)) {
        return loaded;
      }
      patched.add(file);
      const source = Buffer.from(loaded.source as Uint8Array).toString("utf8");
      return { ...loaded, source: patchSource(mutant, file, source) };
    },
  });
  const { generateSchedule } = await import("../generate-schedule.ts");
  const { simulate } = await import("../simulate.ts");
  const missed = mutant.patches.find(({ file }) => !patched.has(file));
  if (missed !== undefined) {
    throw new Error(`Mutant ${name} patches ${missed.file}, which the simulator does not load`);
  }
  let result: TrialResult = { name, code: null, schedules: Number(seeds), detail: "" };
  for (let seed = 1; seed <= Number(seeds); seed += 1) {
    const { violation } = simulate(generateSchedule(seed, mutant.hint));
    if (violation !== null) {
      result = { name, code: violation.code, schedules: seed, detail: violation.detail };
      break;
    }
  }
  console.log(JSON.stringify(result));
}

await main();
