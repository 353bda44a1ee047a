import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import type { DemoResult, ScenarioName } from "./scenario.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const RUN_WITHIN_MS = 180_000;

/** A run as a person would start it, without a terminal: its last line and its exit code. */
function run(scenario: ScenarioName): { readonly result: DemoResult; readonly output: string } {
  const { stdout, stderr, status } = spawnSync(process.execPath, [MAIN, "--scenario", scenario], {
    encoding: "utf8",
    timeout: RUN_WITHIN_MS,
  });
  const output = stdout + stderr;
  assert.equal(status, 0, output);
  return { result: JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as DemoResult, output };
}

function assertDataKept({ result, output }: ReturnType<typeof run>): void {
  assert.equal(result.outcome, "fenced", output);
  assert.equal(result.falseFences, 0, output);
  assert.ok(result.fenceWrittenMs !== null && result.deadMs !== null, output);
  assert.ok(result.declaredMs !== null && result.deadMs <= result.declaredMs, output);
  assert.ok(result.oldOwnerLastWriteMs !== null && result.newOwnerFirstWriteMs !== null, output);
  assert.ok(result.oldOwnerLastWriteMs < result.newOwnerFirstWriteMs, output);
}

test("a partitioned node reads the message, acknowledges, dies, and its work moves then", () => {
  const { result, output } = run("partition");
  assertDataKept({ result, output });
  assert.ok(result.ackMs !== null, output);
});

test("a node without storage dies by itself, and M after the message silence proves it", () => {
  const { result, output } = run("storage-loss");
  assertDataKept({ result, output });
  assert.equal(result.evidence, "Bounded", output);
  assert.equal(result.ackMs, null, output);
});

test("a node that hangs is reset by its watchdog, and its next boot proves it", () => {
  const { result, output } = run("frozen");
  assertDataKept({ result, output });
  assert.equal(result.ackMs, null, output);
});

test("an agent killed just before its deadline pets once more, and the proof waits for that", () => {
  const { result, output } = run("agent-killed");
  assertDataKept({ result, output });
  assert.equal(result.evidence, "Bounded", output);
});

test("another operator finishes what a killed leader has begun", () => {
  assertDataKept(run("leader-killed"));
});

for (const scenario of ["healthy", "api-outage", "array-loss"] as const) {
  test(`nobody dies in scenario ${scenario}`, () => {
    const { result, output } = run(scenario);
    assert.equal(result.outcome, "none", output);
    assert.equal(result.falseFences, 0, output);
  });
}
