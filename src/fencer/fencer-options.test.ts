import assert from "node:assert/strict";
import { test } from "node:test";

import { FlagError } from "../program/flags.ts";
import { readFencerOptions } from "./fencer-options.ts";

const POD = { POD_NAME: "sbd-fencer-config-5d4f8c7b9-aaaaa", SBD_CONFIG_NAME: "config" };

test("a pod's name and a config are enough", () => {
  assert.deepEqual(readFencerOptions([], POD), {
    podName: POD.POD_NAME,
    namespace: "sbd-system",
    configName: "config",
    devicePath: "/mnt/sbd-operator-device",
    asked: { timeoutMs: null, watchdogMs: null, onStorageLoss: null },
    owner: null,
    logLevel: "info",
    metricsAddress: "::",
    metricsPort: 8_080,
    leaseMs: 15_000,
  });
});

test("a flag counts more than its variable", () => {
  const environment = { ...POD, SBD_TIMEOUT_SECONDS: "10", SBD_DEVICE_PATH: "/dev/a" };
  const options = readFencerOptions(["--sbd-timeout-seconds=20", "--config", "b"], environment);
  assert.deepEqual(
    [options.asked.timeoutMs, options.configName, options.devicePath],
    [20_000, "b", "/dev/a"],
  );
});

test("what cannot be meant is refused, with flag, variable and value", () => {
  const cases: readonly (readonly [NodeJS.ProcessEnv, RegExp])[] = [
    [{ ...POD, POD_NAME: "" }, /--pod-name nor POD_NAME/],
    [{ POD_NAME: "a" }, /--config nor SBD_CONFIG_NAME/],
    [{ ...POD, SBD_TIMEOUT_SECONDS: "0" }, /\(SBD_TIMEOUT_SECONDS\).*1 to 3600.*'0'/],
    [{ ...POD, SBD_METRICS_PORT: "65536" }, /--metrics-port \(SBD_METRICS_PORT\).*'65536'/],
    [{ ...POD, SBD_LOG_LEVEL: "loud" }, /--log-level \(SBD_LOG_LEVEL\).*one of debug.*'loud'/],
  ];
  for (const [environment, message] of cases) {
    assert.throws(() => readFencerOptions([], environment), message);
  }
  assert.throws(() => readFencerOptions(["--watchdog-path=/dev/watchdog"], POD), FlagError);
});
