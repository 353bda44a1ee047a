import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { referenceFiles } from "./reference-files.ts";

test("the generated pages are current: run `make reference` where not", () => {
  for (const { path, text } of referenceFiles()) {
    assert.ok(readFileSync(path, "utf8") === text, path.pathname);
  }
});
