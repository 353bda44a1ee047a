import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import { SBDCTL } from "./testing/sbdctl.ts";

function run(
  program: string,
  args: readonly string[],
  cwd: string,
  path = process.env["PATH"] ?? "",
) {
  return spawnSync(program, args, { cwd, encoding: "utf8", env: { ...process.env, PATH: path } });
}

/** A copy of the launcher in a package that has no Node.js of its own. */
function packageWithoutNode(): string {
  const root = temporaryDirectory();
  fs.mkdirSync(join(root, "bin"));
  fs.mkdirSync(join(root, "src/cli"), { recursive: true });
  fs.writeFileSync(join(root, "src/cli/main.ts"), "");
  fs.copyFileSync(SBDCTL, join(root, "bin/sbdctl"));
  return join(root, "bin/sbdctl");
}

/** A `node` that claims a version and says what it was started with. */
function pathWithNode(version: string): string {
  const directory = temporaryDirectory();
  const script = `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; else echo "ran $*"; fi\n`;
  fs.writeFileSync(join(directory, "node"), script, { mode: 0o755 });
  return `${directory}:/usr/bin:/bin`;
}

test("it runs from any directory, through a chain of links, and hands over every word", () => {
  const directory = temporaryDirectory();
  fs.symlinkSync(SBDCTL, join(directory, "first"));
  fs.symlinkSync("first", join(directory, "a second"));
  const { status, stdout } = run(join(directory, "a second"), ["device", "show", "--help"], "/");
  assert.equal(status, 0);
  assert.match(stdout, /Usage: sbdctl device show \[options\] <path>/);
});

test("a newer Node.js on PATH will do where the package has none", () => {
  const launcher = packageWithoutNode();
  const { status, stdout } = run(launcher, ["a b"], "/", pathWithNode("v26.0.1"));
  assert.equal(status, 0);
  assert.match(stdout, /^ran .*\/src\/program\/sbd\.ts ctl a b$/m);
});

test("an older Node.js is not tried, and 'make setup' is named", () => {
  const { status, stderr } = run(packageWithoutNode(), [], "/", pathWithNode("v20.20.2"));
  assert.equal(status, 1);
  assert.match(stderr, /make setup/);
});

test("--help documents the exit codes of every command", () => {
  for (const words of [
    [],
    ["device"],
    ["watchdog"],
    ["device", "init"],
    ["device", "fence"],
    ["watchdog", "test"],
  ]) {
    const { status, stdout } = run(SBDCTL, [...words, "--help"], "/");
    assert.equal(status, 0);
    assert.match(stdout, /Exit codes: 0 done, 1 failed, 2 usage, 3 refused or not proven\./);
  }
});

test("a command line that makes no sense is exit 2 and does nothing", () => {
  for (const words of [
    ["device", "destroy"],
    ["device", "init"],
    ["device", "init", "/x"],
    ["device", "init", "/x", "--timeout-seconds", "soon"],
    ["device", "fence", "node-a", "--device", "/x", "--reason", "NONE"],
    ["device", "show", "/x", "-o", "yaml"],
    ["watchdog", "test", "--yes", "--device", "/x"],
  ]) {
    const { status, stdout } = run(SBDCTL, words, "/");
    assert.equal(status, 2, words.join(" "));
    assert.equal(stdout, "");
  }
});
