import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";

import { CommandWords, formatScenario, parseScenario } from "./scenarios/scenario-file.ts";
import { ScenarioHost } from "./scenarios/scenario-host.ts";

const DIRECTORY = new URL("scenarios/", import.meta.url);
const REWRITE = process.env["REWRITE_SCENARIOS"] === "1";

for (const file of readdirSync(DIRECTORY).filter((name) => name.endsWith(".txt"))) {
  const path = new URL(file, DIRECTORY);
  const text = readFileSync(path, "utf8");
  test(`scenario ${file.slice(0, -".txt".length)}`, () => {
    const replayed = replay(text);
    if (REWRITE) writeFileSync(path, replayed);
    else assert.equal(replayed, text);
  });
}

test("a scenario with an unknown command, stray text or no assertion fails", () => {
  const start = "# Title\n\nhost\ndevice\n";
  assert.throws(() => replay(`${start}agent dances\nexpect alive\n`), /agent starts/);
  assert.throws(() => replay(`${start}dance\nexpect alive\n`), /knows no command/);
  assert.throws(() => replay(`${start}until 1 2\nexpect alive\n`), /does not know '2'/);
  assert.throws(() => replay(`# Title\n\nStray.\n# Prose\n`), /Stray text/);
  assert.throws(() => replay(`${start}until 1\n`), /at least one/);
  assert.throws(() => replay(`${start}expect dead by 1\n`), /alive at 0.0/);
  assert.throws(
    () => replay(`${start}never opens the watchdog\nagent start\nuntil 2\n`),
    /it happened at/,
  );
});

/** The same file with the traces that its commands leave now. */
function replay(text: string): string {
  const scenario = parseScenario(text);
  const host = new ScenarioHost();
  const parts = scenario.parts.map((part) => {
    if (typeof part === "string") return part;
    const trace = part.commands.flatMap((line) => host.run(new CommandWords(line)));
    return { commands: part.commands, trace: trace.join("\n") };
  });
  host.finish();
  return formatScenario({ ...scenario, parts });
}
