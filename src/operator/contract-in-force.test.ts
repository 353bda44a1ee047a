import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import type { SBDConfigStatus } from "../api/sbd-config.ts";
import { bootOf, Cluster, M_MS } from "./scenarios/cluster.ts";

let cluster: Cluster;

beforeEach(() => {
  cluster = new Cluster();
});

function status(): SBDConfigStatus {
  return cluster.api.get("SBDConfig", "default")?.status as SBDConfigStatus;
}

function agreement(): readonly [string, string, string] | null {
  const found = status().conditions?.find(({ type }) => type === "ContractAgrees");
  return found === undefined ? null : [found.status, found.reason, found.message];
}

test("a header that says what the SBDConfig says is no news", () => {
  assert.deepEqual(agreement()?.slice(0, 2), ["True", "AsInTheDeviceHeader"]);
});

for (const [field, value, says] of [
  ["sbdTimeoutSeconds", 30, "T is 30 s in the device header and 10 s was asked for"],
  ["watchdogTimeoutSeconds", 20, "W is 20 s in the device header and 5 s was asked for"],
  [
    "onStorageLoss",
    "SurviveWithApi",
    "onStorageLoss is SurviveWithApi in the device header and SelfFence was asked for",
  ],
] as const) {
  test(`${field} of the header is said where the SBDConfig says another, and the nodes stay armed`, () => {
    cluster.header = { ...cluster.header, [field]: value };
    cluster.pass(1_000);
    const [holds, reason, message] = agreement() ?? [];
    assert.deepEqual([holds, reason], ["False", "DeviceHeaderDiffers"]);
    assert.ok(message?.startsWith(`${says}. The device header counts`), message);
    assert.equal(status().agentsArmed, 3);
  });
}

test("the bound in the status is the header's", () => {
  cluster.header = { ...cluster.header, sbdTimeoutSeconds: 30, watchdogTimeoutSeconds: 20 };
  cluster.pass(1_000);
  assert.deepEqual([status().boundSeconds, status().watchdogTimeoutSeconds], [73.5, 20]);
});

test("a boot that fell silent under a longer contract is waited for by that", () => {
  cluster.header = { ...cluster.header, sbdTimeoutSeconds: 30 };
  cluster.pass(1_000);
  cluster.silence("worker-3");
  cluster.header = { ...cluster.header, sbdTimeoutSeconds: 10 };
  cluster.pass(1_000);
  assert.equal(status().boundSeconds, 42);
});

test("an armed fencer that is silent under SurviveWithApi is not taken for dead, whatever the SBDConfig says", () => {
  cluster.header = { ...cluster.header, onStorageLoss: "SurviveWithApi" };
  for (const number of [1, 2, 3]) {
    cluster.agentReports(`default-${number}`, { bootID: bootOf(`worker-${number}`) });
  }
  cluster.pass(1_000);
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  assert.equal(cluster.fencer("req"), "worker-2");
  cluster.silence("worker-2");
  cluster.pass(14_000);
  cluster.api.delete("SBDRemediation", "req");
  cluster.pass(4 * M_MS);
  assert.match(cluster.status("req").message ?? "", /a fence message of worker-2 may still reach/);
});

test("a fencer waits M of the header before it is taken for dead", () => {
  cluster.header = { ...cluster.header, sbdTimeoutSeconds: 60 };
  for (const number of [1, 2, 3]) {
    cluster.agentReports(`default-${number}`, { bootID: bootOf(`worker-${number}`) });
  }
  cluster.pass(1_000);
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.silence("worker-2");
  cluster.pass(14_000);
  cluster.api.delete("SBDRemediation", "req");
  cluster.takeTrace();
  cluster.pass(2 * M_MS);
  assert.deepEqual(tasks(), []);
  cluster.pass(2 * M_MS);
  assert.deepEqual(tasks(), ["task default-1 Clear by worker-3"]);
});

function tasks(): readonly string[] {
  return cluster.takeTrace().filter((line) => line.startsWith("task"));
}
