import assert from "node:assert/strict";
import { test } from "node:test";

import type { HeartbeatRecord, HeartbeatSlot } from "../../protocol/heartbeat-record.ts";
import { slotOnDevice } from "./slot-on-device.ts";

const OWN = { nodeName: "worker-1", machineID: "a".repeat(32) };

function beat(changes: Partial<HeartbeatRecord> = {}): HeartbeatSlot {
  const record = { ...OWN, leaving: false, ...changes } as HeartbeatRecord;
  return { kind: "heartbeat", record };
}

function slotAmong(...slots: readonly (readonly [number, HeartbeatSlot])[]): number | null {
  return slotOnDevice(new Map(slots), OWN);
}

test("a machine finds the slot it has beaten in before", () => {
  assert.equal(slotAmong([3, beat({ nodeName: "worker-3" })], [7, beat()]), 7);
});

test("another machine of the same name, and another name on this machine, are somebody else", () => {
  assert.equal(slotAmong([7, beat({ machineID: "b".repeat(32) })]), null);
  assert.equal(slotAmong([7, beat({ nodeName: "worker-2" })]), null);
  assert.equal(slotAmong([7, { kind: "empty" }]), null);
});

test("a slot that was left does not count, and of two nobody knows which", () => {
  assert.equal(slotAmong([3, beat({ leaving: true })], [7, beat()]), 7);
  assert.equal(slotAmong([7, beat({ leaving: true })]), null);
  assert.equal(slotAmong([3, beat()], [7, beat()]), null);
});
