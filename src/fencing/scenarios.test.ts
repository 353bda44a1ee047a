import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { replayScenario } from "./scenarios/replay.ts";

/*
 * Every file in scenarios/ that ends in .scenario is replayed and compared.
 * REWRITE_SCENARIOS=1 writes the traces anew; assertions must hold all the same.
 */
const folder = new URL("./scenarios/", import.meta.url);
const rewrite = process.env["REWRITE_SCENARIOS"] === "1";

for (const name of readdirSync(folder).filter((file) => file.endsWith(".scenario"))) {
  const path = new URL(name, folder);
  const text = readFileSync(path, "utf8");
  test(`${name}: ${text.split("\n")[0]?.replace(/^# /, "")}`, () => {
    const replay = replayScenario(text);
    assert.ok(replay.assertions > 0, "a scenario asserts its safety point with expect or never");
    if (rewrite) {
      writeFileSync(path, replay.text);
    } else {
      assert.equal(replay.text, text);
    }
  });
}
