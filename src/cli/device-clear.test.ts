import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { openSlotDevice, type SlotDevice } from "../platform/slot-device.ts";
import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import { FENCE_REGION_OFFSET_BYTES } from "../protocol/layout.ts";
import { marshalFence, newFence } from "../protocol/message.ts";
import { createFaultControl, faultEnvironment } from "../testing/fault-control.ts";
import { fileDevice } from "./testing/devices.ts";
import { sbdctl } from "./testing/sbdctl.ts";
import { heartbeatOf, messageTo } from "./testing/simulated-agent.ts";

const SHORT = ["--timeout-seconds", "3", "--watchdog-timeout-seconds", "2", "--local-storage"];
const BOOT = randomUUID();

async function deviceWithMessage(
  context: TestContext,
  beating: "addressed boot" | "later boot",
): Promise<{ readonly path: string; readonly device: SlotDevice }> {
  const path = fileDevice();
  await sbdctl(context, ["device", "init", path, ...SHORT]);
  const device = openSlotDevice(path);
  context.after(() => device.close());
  device.readHeader();
  const bootID = beating === "addressed boot" ? BOOT : randomUUID();
  device.writeHeartbeat(heartbeatOf({ nodeID: 2, nodeName: "node-b", bootID }));
  device.writeFence(messageTo(BOOT));
  return { path, device };
}

function clear(context: TestContext, path: string, ...more: string[]) {
  return sbdctl(context, ["device", "clear", "node-b", "--device", path, "--yes", ...more]);
}

test("a message for a boot that is over is cleared and its epoch kept", async (context) => {
  const { path, device } = await deviceWithMessage(context, "later boot");
  const { code, stderr } = await clear(context, path);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /No cluster is asked about requests/);
  const slot = device.readFence(2);
  assert.equal(slot.kind, "cleared");
  assert.equal(slot.record.epoch, 6);
  assert.equal(slot.record.reason, 0);
});

test("a message for the boot that is still in the slot is not cleared without --force", async (context) => {
  const { path, device } = await deviceWithMessage(context, "addressed boot");
  const refused = await clear(context, path);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /may be running/);
  assert.equal(device.readFence(2).kind, "fence");
  const forced = await clear(context, path, "--force", "-o", "json");
  assert.equal(forced.code, 0, forced.stderr);
  assert.equal(JSON.parse(forced.stdout).cleared, true);
  assert.match(forced.stderr, /WARNING, overridden by --force/);
  assert.equal(device.readFence(2).kind, "cleared");
});

test("a message that its boot has acknowledged is cleared once that proves the death", async (context) => {
  const { path, device } = await deviceWithMessage(context, "addressed boot");
  const beat = { nodeID: 2, nodeName: "node-b", bootID: BOOT, sequence: 2 };
  device.writeHeartbeat(heartbeatOf({ ...beat, fenced: true, acknowledgedEpoch: 6 }));
  const startedMs = performance.now();
  const { code, stderr } = await clear(context, path);
  assert.equal(code, 0, stderr);
  assert.ok(performance.now() - startedMs >= 6_000, "2W + slack");
  assert.match(stderr, /node-b is dead: acknowledged while armed/);
  assert.equal(device.readFence(2).kind, "cleared");
});

test("a Go fencer's message names no boot and is cleared with --force alone while the slot beats", async (context) => {
  const { path, device } = await deviceWithMessage(context, "later boot");
  const header = newFence(1, 2, 5, 2, () => 1n);
  const slot = new Uint8Array(512);
  slot.set(marshalFence({ header, targetNodeID: 2, reason: 2 }));
  const fd = fs.openSync(path, "r+");
  fs.writeSync(fd, slot, 0, 512, FENCE_REGION_OFFSET_BYTES + 2 * 512);
  fs.closeSync(fd);
  assert.equal((await clear(context, path)).code, 3);
  assert.equal((await clear(context, path, "--force")).code, 0);
  assert.equal(device.readFence(2).kind, "cleared");
});

test("nothing is written where no message stands", async (context) => {
  const { path } = await deviceWithMessage(context, "later boot");
  await clear(context, path);
  const before = fs.readFileSync(path);
  const { code, stdout } = await clear(context, path);
  assert.equal(code, 0);
  assert.match(stdout, /No message stands for node-b/);
  assert.deepEqual(fs.readFileSync(path), before);
});

test("nothing is cleared without --yes where there is no terminal", async (context) => {
  const { path, device } = await deviceWithMessage(context, "later boot");
  const { code } = await sbdctl(context, ["device", "clear", "2", "--device", path]);
  assert.equal(code, 3);
  assert.equal(device.readFence(2).kind, "fence");
});

test("a clearing that the storage lost is a failure", async (context) => {
  const { path, device } = await deviceWithMessage(context, "later boot");
  const control = createFaultControl(join(temporaryDirectory(), "faults"));
  context.after(() => control.close());
  control.set({ write: { lose: true } });
  const args = ["device", "clear", "node-b", "--device", path, "--yes"];
  const { code, stderr } = await sbdctl(context, args, faultEnvironment(control, path));
  assert.equal(code, 1);
  assert.match(stderr, /holds fence instead/);
  assert.equal(device.readFence(2).kind, "fence");
});
