import assert from "node:assert/strict";
import { test } from "node:test";

import { hostClock } from "./host-clock.ts";

test("one instant on both clocks lies between the readings around it", () => {
  for (let sample = 0; sample < 1_000; sample += 1) {
    const before = { lived: hostClock.livedMs(), raw: hostClock.rawMs() };
    const { livedMs, rawMs } = hostClock.bothMs();
    assert.ok(before.lived <= livedMs && livedMs <= hostClock.livedMs());
    assert.ok(before.raw <= rawMs && rawMs <= hostClock.rawMs());
  }
});

test("a host that was never suspended has one clock; any other has lived longer", () => {
  for (let sample = 0; sample < 1_000; sample += 1) {
    const { livedMs, rawMs } = hostClock.bothMs();
    assert.ok(livedMs === rawMs || livedMs - rawMs > 0.01, `${livedMs} ${rawMs}`);
  }
});
