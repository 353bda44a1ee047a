import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import packageFile from "../../package.json" with { type: "json" };
import { manifests } from "../api/testing/manifests.ts";

const SBD = fileURLToPath(new URL("sbd.ts", import.meta.url));

type Deployment = {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { args: string[] }[] } };
  };
};
type Outcome = { readonly code: number; readonly stdout: string; readonly stderr: string };

function sbd(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [SBD, ...args], { env: {} }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test("every word tells the version of package.json and its flags, and starts nothing", async () => {
  const version = await sbd("version");
  assert.match(version.stdout, new RegExp(`^sbd ${packageFile.version} \\(Node.js v`));
  for (const [word, flag] of [
    ["agent", "SBD_WATCHDOG_PATH"],
    ["agent-api", "SBD_METRICS_PORT"],
    ["operator", "SBD_LEASE_SECONDS"],
    ["fencer", "SBD_CONFIG_NAME"],
  ] as const) {
    assert.deepEqual(await sbd(word, "--version"), version, word);
    const help = await sbd(word, "--help");
    assert.equal(help.code, 0, help.stderr);
    assert.match(help.stdout, new RegExp(`^usage: sbd ${word} [^]*${flag}`));
  }
  const ctl = await sbd("ctl", "--version");
  assert.deepEqual([ctl.code, ctl.stdout], [0, `${packageFile.version}\n`]);
});

test("a word that is none, and a flag that cannot be meant, are usage errors", async () => {
  const none = await sbd();
  assert.deepEqual([none.code, none.stdout], [2, ""]);
  assert.match(none.stderr, /no word says which program is meant, so nothing was started/);
  assert.match((await sbd("toString")).stderr, /'toString' does not say which program/);
  const agent = await sbd("agent");
  assert.equal(agent.code, 2);
  assert.match(agent.stderr, /^sbd agent: Cannot start as neither --node-name nor NODE_NAME/);
  assert.match((await sbd("operator", "--lease-seconds=0")).stderr, /^sbd operator: .*1 to 3600/);
});

test("the operator's manifest starts a word that there is", async () => {
  const [deployment] = manifests("operator/deployment.yaml") as unknown as [Deployment];
  const args = deployment.spec.template.spec.containers[0]?.args ?? [];
  assert.deepEqual(args, ["operator"]);
  assert.match((await sbd(...args, "--help")).stdout, /^usage: sbd operator/);
});
