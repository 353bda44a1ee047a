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
  const ran = await runScenario(scenario, stage).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    console.log(`The demo itself failed, which says nothing about fencing: ${why}`);
    return null;
  });
  if (ran === null) {
    console.log(JSON.stringify(failedResult(scenario)));
    return 1;
  }
  const { result, disorder } = ran;
  const wrong = [...disorder, ...whatWentWrong(result)];
  for (const what of wrong) {
    console.log(`WRONG: ${what}`);
  }
  console.log(JSON.stringify(result));
  return wrong.length === 0 ? 0 : 1;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    console.log("Stopped: the machines are ended, and device, folder and tokens are removed.");
    process.exit(130);
  });
}
// What a failed start has left open must not keep the process.
process.exit(await main());
