import assert from "node:assert/strict";
import { test } from "node:test";

import { createTroubleLog } from "./trouble-log.ts";

test("a trouble is told when it comes, changes and goes, and not in between", () => {
  const lines: string[] = [];
  const log = createTroubleLog((level, message) => void lines.push(`${level} ${message}`));
  log.note("vouching", null);
  for (const trouble of ["no answer", "no answer", "refused", null, null, "no answer"]) {
    log.note("vouching", trouble);
  }
  log.note("slot", "none");
  assert.deepEqual(lines, [
    "warn vouching: no answer",
    "warn vouching: refused",
    "info vouching: works again",
    "warn vouching: no answer",
    "warn slot: none",
  ]);
});
