import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { settingsBlock, settingsDiskBytes } from "./guest-settings.ts";

/** What a shell makes of the block, with the guest's own functions replaced by ones that tell. */
function understood(block: Buffer): string[] {
  const told = ["hostname", "load", "service"]
    .map((name) => `${name}() { printf '%s' ${name}; printf ' <%s>' "$@"; echo; }`)
    .join("\n");
  const fragment = block.toString("utf8").replaceAll("\0", "");
  const output = execFileSync("sh", ["-c", `${told}\n${fragment}`], { encoding: "utf8" });
  return output.trimEnd().split("\n");
}

test("a guest's shell reads what it was told, whatever characters are in it", () => {
  const block = settingsBlock("node-a", {
    watchdog: { driver: "iTCO_wdt", parameters: { heartbeat: "10", nowayout: "1" } },
    services: [
      {
        name: "agent",
        argv: ["node", "main.ts", "it's $HOME"],
        environment: { NODE_NAME: "node a" },
        restartSeconds: 10,
      },
      { name: "once", argv: ["true"], environment: {}, restartSeconds: "never" },
    ],
  });
  assert.equal(block.length, settingsDiskBytes);
  assert.deepEqual(understood(block), [
    "hostname <node-a>",
    "load <lpc_ich>",
    "load <iTCO_wdt> <heartbeat=10> <nowayout=1>",
    String.raw`service <agent> <10> <env 'NODE_NAME=node a' 'node' 'main.ts' 'it'\''s $HOME'>`,
    "service <once> <never> <env 'true'>",
  ]);
});

test("settings that do not fit their disk are refused", () => {
  const service = {
    name: "long",
    argv: ["x".repeat(settingsDiskBytes)],
    environment: {},
    restartSeconds: 1,
  };
  const watchdog = { driver: "none", parameters: {} } as const;
  assert.throws(() => settingsBlock("a", { watchdog, services: [service] }), /holds 65536/);
});
