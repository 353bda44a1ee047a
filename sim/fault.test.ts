import assert from "node:assert/strict";
import { test } from "node:test";

import { parseFault, printFault } from "./fault.ts";
import { generateSchedule } from "./generate-schedule.ts";

test("a fault reads back as it was printed", () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    for (const fault of generateSchedule(seed, {}).faults) {
      const again = parseFault(printFault(fault));
      assert.equal(printFault(again), printFault(fault));
      assert.equal(again.kind, fault.kind);
      assert.equal(again.atMs, fault.atMs);
    }
  }
});

test("a line that is no fault is refused", () => {
  assert.throws(() => parseFault("60 no-such-thing worker-2"), /is no fault/);
  assert.throws(() => parseFault("soon path-hang worker-2"), /is no fault/);
});
