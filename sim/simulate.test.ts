import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { generateSchedule } from "./generate-schedule.ts";
import { simulate } from "./simulate.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

test("the same seed gives the same trace, byte for byte", () => {
  for (const seed of [3, 11, 26]) {
    const [first, second] = [0, 1].map(() => {
      const lines: string[] = [];
      simulate(generateSchedule(seed, {}), (line) => lines.push(line));
      return lines.join("\n");
    });
    assert.equal(first, second);
    assert.ok((first ?? "").length > 1_000);
  }
});

test("reading the trace changes nothing", () => {
  const schedule = generateSchedule(7, {});
  const heard = simulate(schedule, () => undefined);
  const unheard = simulate(schedule);
  assert.equal(unheard.events, heard.events);
  assert.deepEqual(unheard.coverage.counts, heard.coverage.counts);
});

test("two minutes of chance, as in `make sim`, break no invariant, and every proof is among them", async (context) => {
  const noWishes = { SEED: "", SEEDS: "", SEED_START: "", HOURS: "", NODES: "" };
  const env = { ...process.env, ...noWishes };
  const { code, output } = await run(process.execPath, [MAIN], { env, signal: context.signal });
  assert.equal(code, 0, output);
  assert.match(output, /^\d{2,} schedules, 0 violations, \d{2,} simulated node-hours, /);
  for (const kind of [
    "Acknowledged",
    "Bounded",
    "ManuallyConfirmed",
    "Rebooted (a)",
    "Rebooted (b)",
  ]) {
    assert.ok(output.includes(`${kind} `), `${kind} is not in ${output}`);
  }
});

async function run(
  program: string,
  argv: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal },
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(program, argv, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const parts: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (part: Buffer) => parts.push(part));
  }
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output: Buffer.concat(parts).toString("utf8") };
}
