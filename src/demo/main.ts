/**
 * A whole cluster on one machine loses a node and keeps its data.
 *
 *     node main.ts --scenario partition
 */
import { parseArgs } from "node:util";

import { runScenario } from "./run.ts";
import { failedResult, isScenarioName, SCENARIOS, whatWentWrong } from "./scenario.ts";
import { plainStage, terminalStage } from "./stage.ts";

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { scenario: { type: "string" } } });
  const scenario = values.scenario ?? "partition";
  if (!isScenarioName(scenario)) {
    const known = Object.entries(SCENARIOS).map(
      ([name, { text }]) => `  ${name.padEnd(14)} ${text}`,
    );
    console.error(`There is no scenario '${scenario}'. There are:\n${known.join("\n")}`);
    return 2;
  }
  const out = process.stdout;
  const stage = out.isTTY ? terminalStage(out) : plainStage(out);
  const { result, disorder } = await runScenario(scenario, stage).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    return { result: failedResult(scenario), disorder: [`the demo itself failed: ${why}`] };
  });
  const wrong = [...disorder, ...whatWentWrong(result)];
  for (const what of wrong) {
    console.log(`WRONG: ${what}`);
  }
  console.log(JSON.stringify(result));
  return wrong.length === 0 ? 0 : 1;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // The virtual machines end with their supervisor's pipes, loop devices at the next run.
  process.once(signal, () => process.exit(130));
}
process.exitCode = await main();
