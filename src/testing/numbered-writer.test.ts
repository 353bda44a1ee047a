import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readNumberedLines } from "./numbered-writer.ts";

const WRITER = fileURLToPath(new URL("numbered-writer.ts", import.meta.url));
const WITHIN_MS = 20_000;

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sbd-writer-"));
  file = join(directory, "lines");
});

afterEach(() => rmSync(directory, { recursive: true }));

test("two writers leave whole lines, numbered without a gap, in the order of time", async () => {
  const writers = ["worker-1", "worker-2"].map((node) =>
    spawn(process.execPath, [WRITER, file, node, `boot-of-${node}`, "5"], { stdio: "inherit" }),
  );
  try {
    const endMs = performance.now() + WITHIN_MS;
    while (!existsSync(file) || readNumberedLines(file).length < 100) {
      assert.ok(performance.now() < endMs, "the writers do not write");
      await delay(5);
    }
  } finally {
    for (const writer of writers) writer.kill("SIGKILL");
    await Promise.all(writers.map((writer) => once(writer, "exit")));
  }
  const lines = readNumberedLines(file);
  for (const node of ["worker-1", "worker-2"]) {
    const own = lines.filter((line) => line.node === node);
    assert.ok(own.every((line, index) => line.n === index + 1));
    assert.ok(own.every((line, index) => index === 0 || line.tMs > (own[index - 1]?.tMs ?? 0)));
    assert.ok(own.every((line) => line.bootID === `boot-of-${node}`));
  }
});

test("an unfinished last line is left out, a broken one is an error", () => {
  writeFileSync(file, "worker-1 b 1 2000000\nworker-1 b 2 30");
  assert.deepEqual(readNumberedLines(file), [{ node: "worker-1", bootID: "b", n: 1, tMs: 2 }]);
  appendFileSync(file, "\nrubbish\n");
  assert.throws(() => readNumberedLines(file), /broken line: 'rubbish'/u);
});

test("wrong arguments are told, not guessed", async () => {
  const writer = spawn(process.execPath, [WRITER, file, "worker-1", "b", "soon"]);
  const [code] = (await once(writer, "exit")) as [number];
  assert.equal(code, 2);
});
