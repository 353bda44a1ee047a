import assert from "node:assert/strict";
import { test } from "node:test";

import { adviseTimeout, summariseLatencies } from "./bench-advice.ts";
import { bytesOf, fileDevice } from "./testing/devices.ts";
import { sbdctl } from "./testing/sbdctl.ts";

test("percentiles are of the sorted latencies", () => {
  const latencies = Array.from({ length: 1_000 }, (_, index) => 1_000 - index);
  assert.deepEqual(summariseLatencies(latencies), {
    passes: 1_000,
    p50Ms: 500,
    p99Ms: 990,
    p999Ms: 999,
    longestMs: 1_000,
  });
});

test("the advised T holds the longest stall, or the measured failover, twice", () => {
  const quick = summariseLatencies([1, 2, 3]);
  assert.equal(adviseTimeout(quick, null).timeoutSeconds, 3);
  assert.equal(adviseTimeout(quick, 12_000).timeoutSeconds, 27);
  const stalled = adviseTimeout(summariseLatencies([1, 9_000]), null);
  assert.equal(stalled.timeoutSeconds, 20);
  assert.match(stalled.arithmetic, /2 x \(1 s \+ 9 s\) = 20 s/);
});

test("bench measures real passes, changes no byte, and wants a device of ours", async (context) => {
  const path = fileDevice();
  const words = ["device", "bench", path, "--seconds", "2", "--load", "1", "-o", "json"];
  const blank = await sbdctl(context, words);
  assert.equal(JSON.parse(blank.stdout).error.code, "REFUSED", blank.stderr);
  const init = ["device", "init", path, "--timeout-seconds", "10", "--local-storage"];
  assert.equal((await sbdctl(context, init)).code, 0);
  const before = await bytesOf(path);
  const { code, stdout, stderr } = await sbdctl(context, words);
  assert.equal(code, 0, stdout + stderr);
  const { latency, advice, inForceSeconds } = JSON.parse(stdout);
  assert.ok(latency.passes > 0 && latency.p50Ms > 0 && latency.p50Ms <= latency.longestMs, stdout);
  assert.ok(advice.timeoutSeconds >= 3);
  assert.equal(inForceSeconds, 10);
  assert.ok(before.equals(await bytesOf(path)));
});
