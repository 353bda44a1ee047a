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
    const { trace, outcome, missed } = runGolden(golden);
    assert.equal(outcome, golden.expect);
    assert.equal(missed, null, "a fault misses what it was aimed at: the trace does not tell this");
    assert.equal(trace, golden.trace, REWRITE);
  });
}

test("a golden file with faults that does not say what they hit is refused", () => {
  assert.throws(() => readGolden("expect holds\n60 request worker-2\n----\n"), /what they hit/);
});

test("a hit counts in its order and from the first fault on", () => {
  assert.equal(missedOf("DIES: a reset"), null);
  assert.equal(missedOf("DIES: a reset", "FAULT"), "FAULT");
  assert.equal(missedOf("is given slot 2"), "is given slot 2");
});

/** What a run of three nodes, one of which is reset, misses of these. */
function missedOf(...hits: string[]): string | null {
  const lines = [
    "set until=62 calm=1",
    "expect holds",
    ...hits.map((hit) => `expect trace ${hit}`),
  ];
  return runGolden(readGolden([...lines, "60 reset worker-2", "----\n"].join("\n"))).missed;
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
