import assert from "node:assert/strict";
import { test } from "node:test";

import { generateSchedule } from "./generate-schedule.ts";
import { simulate } from "./simulate.ts";

test("the same seed gives the same trace, byte for byte", () => {
  for (const seed of [3, 11, 26]) {
    const [first, second] = [0, 1].map(() => {
      const lines: string[] = [];
      simulate(generateSchedule(seed, {}), (line) => lines.push(line));
      return lines.join("\n");
    });
    assert.equal(first, second);
    assert.ok((first ?? "").length > 1_000);
  }
});

test("reading the trace changes nothing", () => {
  const schedule = generateSchedule(7, {});
  const heard = simulate(schedule, () => undefined);
  const unheard = simulate(schedule);
  assert.equal(unheard.events, heard.events);
  assert.deepEqual(unheard.coverage.counts, heard.coverage.counts);
});

test("no invariant breaks in sixty schedules, and every kind of proof is among them", () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const { violation, coverage } = simulate(generateSchedule(seed, {}));
    assert.equal(violation, null, `SEED=${seed} node sim/main.ts`);
    for (const what of coverage.counts.keys()) {
      seen.add(what);
    }
  }
  for (const kind of ["Acknowledged", "Bounded", "Rebooted (a)", "Rebooted (b)"]) {
    assert.ok(seen.has(`evidence: ${kind}`), kind);
  }
});
