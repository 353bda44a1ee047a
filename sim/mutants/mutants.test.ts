import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { MUTANTS } from "./mutants.ts";
import { patchSource } from "./patch-source.ts";

const ROOT = new URL("../../", import.meta.url);

test("every mutant's patches fit the sources as they are", () => {
  for (const mutant of MUTANTS) {
    for (const { file } of mutant.patches) {
      const source = fs.readFileSync(new URL(file, ROOT), "utf8");
      assert.notEqual(patchSource(mutant, file, source), source, `${mutant.name} in ${file}`);
    }
  }
});

test("a patch that no longer fits is refused by name", () => {
  const mutant = MUTANTS.find(({ name }) => name === "declare-at-not-ready");
  assert.ok(mutant !== undefined);
  const [patch] = mutant.patches;
  assert.throws(() => patchSource(mutant, patch?.file ?? "", "const nothing = 1;"), /out of date/);
});

test("the folk rule for msgwait is caught", () => {
  const trial = fileURLToPath(new URL("trial.ts", import.meta.url));
  const output = execFileSync(process.execPath, [trial, "msgwait-twice-the-watchdog", "50"], {
    encoding: "utf8",
  });
  assert.equal((JSON.parse(output) as { readonly code: string }).code, "S1");
});
