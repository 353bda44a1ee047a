import assert from "node:assert/strict";
import { test } from "node:test";

import { FlagError, flagsUsage } from "../../program/flags.ts";
import { AGENT_FLAGS, readAgentOptions } from "./agent-options.ts";

const NAME = { NODE_NAME: "worker-1" };

test("a name is enough: the slot is the SBDNode's, the API process runs, /metrics has its port", () => {
  const options = readAgentOptions([], NAME);
  assert.equal(options.nodeID, null);
  assert.equal(options.configName, null);
  assert.equal(options.apiProcess, true);
  assert.deepEqual([options.metricsAddress, options.metricsPort], ["::", 8_080]);
});

test("a flag counts more than its variable", () => {
  const environment = { ...NAME, SBD_NODE_ID: "7", SBD_CONFIG_NAME: "a", SBD_API_PROCESS: "false" };
  const options = readAgentOptions(["--node-id", "9", "--metrics-port=0"], environment);
  assert.equal(options.nodeID, 9);
  assert.equal(options.configName, "a");
  assert.equal(options.apiProcess, false);
  assert.equal(options.metricsPort, 0);
});

test("what cannot be meant is refused, with flag, variable and value", () => {
  const cases: readonly (readonly [NodeJS.ProcessEnv, RegExp])[] = [
    [{}, /--node-name nor NODE_NAME/],
    [{ ...NAME, SBD_NODE_ID: "0" }, /--node-id \(SBD_NODE_ID\).*1 to 255.*'0'/],
    [{ ...NAME, SBD_METRICS_PORT: "65536" }, /--metrics-port \(SBD_METRICS_PORT\).*'65536'/],
    [{ ...NAME, SBD_API_PROCESS: "no" }, /--api-process \(SBD_API_PROCESS\).*true, false.*'no'/],
  ];
  for (const [environment, message] of cases) {
    assert.throws(
      () => readAgentOptions([], environment),
      (error) => {
        assert.ok(error instanceof FlagError);
        assert.match(error.message, message);
        return true;
      },
    );
  }
  assert.throws(() => readAgentOptions(["--nod-name", "x"], NAME), FlagError);
});

test("the usage names every flag with its variable", () => {
  assert.match(flagsUsage("agent", AGENT_FLAGS), /--metrics-port +SBD_METRICS_PORT/);
  assert.match(flagsUsage("agent", AGENT_FLAGS), /--config +SBD_CONFIG_NAME/);
});
