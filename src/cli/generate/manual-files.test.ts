import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { manualFiles } from "./manual-files.ts";

test("the manuals are current: run `node src/cli/generate/main.ts` where not", () => {
  for (const { path, text } of manualFiles()) {
    assert.ok(readFileSync(path, "utf8") === text, path.pathname);
  }
});
