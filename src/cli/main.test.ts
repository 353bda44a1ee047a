import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import { createProgram } from "./program.ts";
import { fileDevice } from "./testing/devices.ts";
import { SBDCTL, sbdctl } from "./testing/sbdctl.ts";

const PLUGIN = join(SBDCTL, "../kubectl-sbd");

test("a command line that makes no sense answers in JSON where JSON was asked for", async (context) => {
  for (const words of [
    ["-o", "json"],
    ["device", "destroy", "-o", "json"],
    ["device", "show", "--output=json"],
    ["device", "show", "/x", "/y", "-ojson"],
    ["device", "init", "/x", "--timeout-seconds", "soon", "--output", "json"],
  ]) {
    const { code, stdout } = await sbdctl(context, words);
    assert.equal(code, 2, words.join(" "));
    const { error } = JSON.parse(stdout);
    assert.equal(error.code, "USAGE");
    assert.notEqual(error.message, "");
  }
  const { stdout } = await sbdctl(context, ["device", "show", "--", "-o", "json"]);
  assert.equal(stdout, "", "After -- it is no option");
});

test("every help screen fits 80 columns, also as a plugin of kubectl", (context) => {
  for (const words of commandsOf(createProgram("sbdctl"), [])) {
    for (const program of [SBDCTL, PLUGIN]) {
      const { stdout, status } = spawnSync(program, [...words, "--help"], { encoding: "utf8" });
      assert.equal(status, 0, words.join(" "));
      for (const line of stdout.split("\n")) {
        assert.ok(line.length <= 80, `${words.join(" ")}: ${line}`);
      }
      if (program === PLUGIN) assert.match(stdout, /^Usage: kubectl sbd/);
      context.diagnostic(words.join(" "));
    }
  }
});

/** What bash would put in place of the last word. */
function complete(...words: string[]): string {
  const quoted = words.map((word) => `'${word}'`).join(" ");
  const script =
    `PATH="${join(SBDCTL, "..")}:$PATH"; source <(sbdctl completion bash); ` +
    `COMP_WORDS=(sbdctl ${quoted}); COMP_CWORD=${words.length}; ` +
    `compopt() { COMPREPLY+=(FILES); }; _sbdctl; echo "\${COMPREPLY[*]}"`;
  return spawnSync("bash", ["-c", script], { encoding: "utf8" }).stdout.trim();
}

function commandsOf(command: ReturnType<typeof createProgram>, words: string[]): string[][] {
  const children = command.createHelp().visibleCommands(command);
  return [
    words,
    ...children
      .filter((child) => child.name() !== "help")
      .flatMap((child) => commandsOf(child, [...words, child.name()])),
  ];
}

test("a reader that closes its end is no fault and says nothing", () => {
  const script = `"$1" --help 2>errors | true; echo "\${PIPESTATUS[0]}"; cat errors`;
  const cwd = temporaryDirectory();
  const { stdout } = spawnSync("bash", ["-c", script, "bash", SBDCTL], { cwd, encoding: "utf8" });
  assert.equal(stdout, "0\n");
});

test("bash completes commands, values and paths by asking sbdctl", () => {
  assert.equal(complete("dev"), "device");
  assert.equal(complete("device", "s"), "show");
  assert.equal(complete("device", "init", "/x", "--on-storage-loss", "Su"), "SurviveWithApi");
  assert.equal(complete("device", "show", ""), "FILES");
  assert.equal(complete("device", "fence", "--force", "--dev"), "--device");
  assert.equal(complete("completion", ""), "bash zsh fish");
});

test("kubectl's completion is asked of the plugin's own program", () => {
  const program = join(SBDCTL, "../kubectl_complete-sbd");
  const { stdout } = spawnSync(program, ["watchdog", "te"], { encoding: "utf8" });
  assert.match(stdout, /^test\t.*\n:4\n$/);
});

test("the manual page is one that man can show", () => {
  const { stdout: page } = spawnSync(SBDCTL, ["man"], { encoding: "utf8" });
  assert.match(page, /^\.TH SBDCTL 8/);
  assert.match(page, /\.SS sbdctl device init <path>/);
});

test("a device that tells nothing is no success", async (context) => {
  const path = fileDevice();
  const show = async (): Promise<{ code: number | null; error: string; shown: boolean }> => {
    const { code, stdout } = await sbdctl(context, ["device", "show", path, "-o", "json"]);
    const { error, unreadable } = JSON.parse(stdout);
    return { code, error: error?.code, shown: Array.isArray(unreadable) };
  };
  fs.writeFileSync(path, "somebody's filesystem", { flag: "r+" });
  assert.deepEqual(await show(), { code: 1, error: "DEVICE_FOREIGN", shown: true });

  fs.writeFileSync(path, new Uint8Array(2 << 20));
  await sbdctl(context, ["device", "init", path, "--timeout-seconds", "10"]);
  assert.equal((await show()).code, 0);
  corrupt(path, 100);
  assert.deepEqual(await show(), { code: 1, error: "DEVICE", shown: true });

  fs.rmSync(path);
  assert.deepEqual(await show(), { code: 1, error: "DEVICE", shown: false });
});

function corrupt(path: string, offset: number): void {
  const file = fs.openSync(path, "r+");
  fs.writeSync(file, "\u00ff", offset);
  fs.closeSync(file);
}
