import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

test("the examples of the README run and print what they say", (t) => {
  const text = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
  const examples = [...text.matchAll(/^```ts\n(?<code>.*?)^```$/gms)].map((match) => match[1]!);
  const printed = ["33 1 100n\n", "36 2 HEARTBEAT_TIMEOUT\n", "", "worker-7\n"];
  assert.equal(examples.length, printed.length);

  const directory = mkdtempSync(join(tmpdir(), "sbd-readme-"));
  t.after(() => rmSync(directory, { recursive: true }));
  for (const [i, example] of examples.entries()) {
    const file = join(directory, `example-${i}.ts`);
    writeFileSync(file, example.replaceAll('from "./', `from "${import.meta.dirname}/`));
    assert.equal(execFileSync(process.execPath, [file], { encoding: "utf8" }), printed[i]);
  }
});
