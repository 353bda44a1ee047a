import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { FAULT_KINDS, FAULTS } from "./fault.ts";
import { readGolden, runGolden } from "./golden-file.ts";

const GOLDEN = new URL("golden/", import.meta.url);
const REWRITE = "is it meant? Then rewrite with: node sim/rewrite-golden.ts";

for (const name of fs.readdirSync(GOLDEN).filter((file) => file.endsWith(".txt"))) {
  test(`golden run ${name} ends and reads as written`, () => {
    const golden = readGolden(fs.readFileSync(new URL(name, GOLDEN), "utf8"));
    const { trace, outcome } = runGolden(golden);
    assert.equal(outcome, golden.expect);
    assert.equal(trace, golden.trace, REWRITE);
  });
}

test("every fault outside the claim is shown to break it, in a golden run of its own", () => {
  const broken = fs
    .readdirSync(GOLDEN)
    .filter((file) => file.startsWith("outside-"))
    .map((file) => readGolden(fs.readFileSync(new URL(file, GOLDEN), "utf8")));
  const shown = new Set(broken.flatMap(({ schedule }) => schedule.faults.map(({ kind }) => kind)));
  // `split-at-start` is `split-storage` with a chosen moment, `vm-clone-beside` is `two-kubelets` under
  // one machine ID.
  const outside = FAULT_KINDS.filter(
    (kind) =>
      FAULTS[kind].scope === "outside" && kind !== "split-at-start" && kind !== "vm-clone-beside",
  );
  assert.deepEqual(
    outside.filter((kind) => !shown.has(kind)),
    [],
  );
  assert.ok(broken.every(({ expect }) => expect === "S1" || expect === "S2"));
});
