import assert from "node:assert/strict";
import { test } from "node:test";

import { contractDifference, NIL_UUID, whyNotOwned } from "./device-agreement.ts";

const OWNER = { configUID: "config-1", clusterUID: "cluster-1" };
const CONTRACT = { timeoutMs: 30_000, watchdogMs: 15_000, onStorageLoss: "SelfFence" } as const;

test("a device of this SBDConfig in this cluster is used, and any by a program outside of clusters", () => {
  assert.equal(whyNotOwned(OWNER, OWNER), null);
  assert.equal(whyNotOwned({ configUID: NIL_UUID, clusterUID: NIL_UUID }, null), null);
});

test("another cluster's, another SBDConfig's and nobody's device are refused, each with its remedy", () => {
  for (const [header, says] of [
    [
      { ...OWNER, clusterUID: "cluster-2" },
      /cluster with UID cluster-2.*PVC that no other cluster/,
    ],
    [{ ...OWNER, configUID: "config-2" }, /SBDConfig with UID config-2.*PVC of its own/],
    [{ ...OWNER, configUID: NIL_UUID }, /names no SBDConfig.*--config-uid config-1 --cluster-uid/],
    [{ ...OWNER, clusterUID: NIL_UUID }, /names no SBDConfig/],
  ] as const) {
    assert.match(whyNotOwned(header, OWNER) ?? "", says);
  }
});

test("T, W and onStorageLoss are compared, where they were asked for", () => {
  const anything = { timeoutMs: null, watchdogMs: null, onStorageLoss: null };
  assert.equal(contractDifference(CONTRACT, CONTRACT), null);
  assert.equal(contractDifference(CONTRACT, anything), null);
  for (const [changes, says] of [
    [{ timeoutMs: 20_000 }, "T is 30 s in the device header and 20 s was asked for"],
    [{ watchdogMs: 9_000 }, "W is 15 s in the device header and 9 s was asked for"],
    [
      { onStorageLoss: "SurviveWithApi" },
      "onStorageLoss is SelfFence in the device header and SurviveWithApi was asked for",
    ],
  ] as const) {
    assert.equal(contractDifference(CONTRACT, { ...CONTRACT, ...changes }), says);
  }
});
