import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";

import { temporaryDirectory } from "./temporary-directory.ts";

/**
 * Runs a module's text in a process of its own where C functions stand in for the C library's, and
 * returns what it printed. For what no healthy kernel does.
 */
export function runPreloaded(cSource: string, moduleText: string): string {
  const directory = temporaryDirectory();
  const source = join(directory, "preloaded.c");
  const library = join(directory, "preloaded.so");
  const script = join(directory, "script.ts");
  fs.writeFileSync(source, cSource);
  fs.writeFileSync(script, moduleText);
  const compiled = spawnSync("cc", ["-shared", "-fPIC", "-o", library, source, "-ldl"], {
    encoding: "utf8",
  });
  assert.equal(compiled.status, 0, compiled.stderr);
  const result = spawnSync(process.execPath, [script], {
    encoding: "utf8",
    env: { ...process.env, LD_PRELOAD: library },
  });
  assert.equal(result.status, 0, result.stderr);
  return result.stdout.trim();
}

/** The URL of a module in `src/platform`, to import in such a text. */
export function platformModule(name: string): string {
  return new URL(`../${name}`, import.meta.url).href;
}
