import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import type { Metafile } from "esbuild";

import { temporaryDirectory } from "../src/platform/testing/temporary-directory.ts";
import { bundle } from "./bundle.ts";

const folder = temporaryDirectory();
let made: Metafile;

before(async () => {
  made = await bundle(join(folder, "bundle"));
});

/** Inputs of the modules that are loaded at once with those that `isRoot` picks. */
function inputsFrom(isRoot: (entryPoint: string) => boolean): string[] {
  const outputs = Object.entries(made.outputs);
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { path: next, kind } of made.outputs[path]?.imports ?? []) {
      if (kind === "import-statement" && next in made.outputs) visit(next);
    }
  };
  for (const [path, { entryPoint }] of outputs) {
    if (entryPoint !== undefined && isRoot(entryPoint)) visit(path);
  }
  return [...seen].flatMap((path) => Object.keys(made.outputs[path]?.inputs ?? {}));
}

test("the agent's core process and its threads load no npm package", () => {
  const core = inputsFrom((entryPoint) =>
    /src\/(program\/sbd|agent\/shell\/(main|agent-options|api-supervisor-worker)|platform\/disk-worker)\.ts$/.test(
      entryPoint,
    ),
  );
  assert.ok(core.includes("src/agent/agent.ts"), core.join());
  assert.deepEqual(
    core.filter((input) => input.includes("node_modules")),
    [],
  );
});

test("nothing for tests is in the bundle", () => {
  const inputs = Object.values(made.outputs).flatMap(({ inputs }) => Object.keys(inputs));
  assert.deepEqual(
    inputs.filter((input) => /testing|\.test\.|\/demo\//.test(input)),
    [],
  );
});

test("moved anywhere, it finds its workers, its processes and its addon", () => {
  const moved = join(folder, "moved");
  execFileSync("mv", [join(folder, "bundle"), moved]);
  const device = join(folder, "device");
  execFileSync("truncate", ["-s", "4M", device]);
  const sbd = (...args: readonly string[]): string =>
    execFileSync(process.execPath, [join(moved, "sbd.mjs"), ...args], {
      encoding: "utf8",
      env: {},
      cwd: "/",
    });
  sbd("ctl", "device", "init", device, "--timeout-seconds", "30");
  const shown = JSON.parse(sbd("ctl", "device", "show", device, "-o", "json")) as {
    header: { timeoutMs: number };
  };
  assert.equal(shown.header.timeoutMs, 30_000);
  assert.match(sbd("version"), /^sbd \d/);
  for (const file of readdirSync(moved).filter((name) => name.endsWith(".mjs"))) {
    const named = readFileSync(join(moved, file), "utf8").matchAll(
      /new URL\("([^"]+)",import\.meta\.url\)/g,
    );
    for (const [, name = ""] of named) assert.ok(readdirSync(moved).includes(name), name);
  }
});
