import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createFifoReader, type FifoReader } from "./fifo-reader.ts";

const WITHIN_MS = 10_000;

let directory: string;
let path: string;
let reader: FifoReader;
let seen: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sbd-fifo-"));
  path = join(directory, "fifo");
  execFileSync("mkfifo", [path]);
  seen = [];
  reader = createFifoReader(path, {
    data: (chunk) => void seen.push(chunk.toString()),
    end: () => void seen.push("end"),
  });
});

afterEach(() => {
  reader.close();
  rmSync(directory, { recursive: true });
});

async function until(wanted: () => boolean): Promise<void> {
  const endMs = performance.now() + WITHIN_MS;
  while (!wanted()) {
    assert.ok(performance.now() < endMs, `seen so far: ${seen.join(" ")}`);
    await nextTurn();
  }
}

function openWriter(): number {
  // Fails at once where nobody reads.
  return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
}

test("data and the end of the last writer are delivered, over many writers", async () => {
  for (let n = 1; n <= 50; n += 1) {
    const fd = openWriter();
    writeSync(fd, "x");
    closeSync(fd);
    await until(() => seen.length === 2 * n);
  }
  assert.deepEqual(seen, Array.from({ length: 50 }, () => ["x", "end"]).flat());
});

test("two writers end when the last one closes", async () => {
  const first = openWriter();
  const second = openWriter();
  writeSync(first, "1");
  closeSync(first);
  writeSync(second, "2");
  await until(() => seen.join("").includes("2"));
  assert.ok(!seen.includes("end"));
  closeSync(second);
  await until(() => seen.includes("end"));
});

test("drain delivers at once, without a turn of the event loop", () => {
  const fd = openWriter();
  writeSync(fd, "now");
  reader.drain();
  assert.deepEqual(seen, ["now"]);
  closeSync(fd);
  reader.drain();
  assert.deepEqual(seen, ["now", "end"]);
});
