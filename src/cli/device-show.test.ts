import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { openSlotDevice } from "../platform/slot-device.ts";
import { whyNoLoopDevices } from "../platform/testing/loop-device.ts";
import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import { FENCE_REGION_OFFSET_BYTES } from "../protocol/layout.ts";
import { marshalFence, marshalHeartbeat, newFence, newHeartbeat } from "../protocol/message.ts";
import { createFaultControl, faultEnvironment } from "../testing/fault-control.ts";
import { fileDevice, loopDevice } from "./testing/devices.ts";
import { sbdctl, startSbdctl } from "./testing/sbdctl.ts";
import { heartbeatOf, startSimulatedAgent } from "./testing/simulated-agent.ts";

const skip = whyNoLoopDevices();
const SHORT = ["--timeout-seconds", "3", "--watchdog-timeout-seconds", "2", "--local-storage"];
const WRITTEN_NS = 1_700_000_000_123_456_789n;

async function show(context: TestContext, path: string, ...more: string[]) {
  const { code, stdout, stderr } = await sbdctl(context, [
    "device",
    "show",
    path,
    "-o",
    "json",
    ...more,
  ]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** A device as the original Go agents and fencers leave it. */
function writeGoDevice(path: string): void {
  const fd = fs.openSync(path, "r+");
  const heartbeat = newHeartbeat(7, 2n ** 60n, () => WRITTEN_NS);
  fs.writeSync(fd, marshalHeartbeat({ header: heartbeat }), 0, 33, 7 * 512);
  const fence = newFence(7, 9, 3, 2, () => WRITTEN_NS);
  const bytes = marshalFence({ header: fence, targetNodeID: 9, reason: 2 });
  fs.writeSync(fd, bytes, 0, 36, FENCE_REGION_OFFSET_BYTES + 9 * 512);
  const early = marshalFence({ header: fence, targetNodeID: 11, reason: 1 });
  fs.writeSync(fd, early, 0, 36, 11 * 512);
  fs.closeSync(fd);
}

test("a device of Go agents is shown without header, boots and names", async (context) => {
  const path = fileDevice();
  writeGoDevice(path);
  const { header, slots, fences, unreadable } = await show(context, path);
  assert.equal(header, null);
  assert.deepEqual(unreadable, []);
  assert.equal(slots.length, 1);
  const [{ nodeId, nodeName, bootId, sequence, timestampNs, state }] = slots;
  assert.deepEqual(
    { nodeId, nodeName, bootId, sequence, timestampNs, state },
    {
      nodeId: 7,
      nodeName: null,
      bootId: null,
      sequence: String(2n ** 60n),
      timestampNs: String(WRITTEN_NS),
      state: "bare",
    },
  );
  assert.deepEqual(
    fences.map(({ nodeId, reason, senderId, epoch, region }: Record<string, unknown>) => [
      nodeId,
      reason,
      senderId,
      epoch,
      region,
    ]),
    [
      [11, "HEARTBEAT_TIMEOUT", 7, null, "heartbeat"],
      [9, "MANUAL", 7, null, "fence"],
    ],
  );
});

test("an empty device is shown as one that has not been initialised", async (context) => {
  const { code, stdout } = await sbdctl(context, ["device", "show", fileDevice()]);
  assert.equal(code, 0);
  assert.match(stdout, /has not been initialised/);
});

for (const sectorBytes of [512, 4096] as const) {
  test(
    `every state of an agent has its word, on sectors of ${sectorBytes} bytes`,
    { skip },
    async (context) => {
      const path = loopDevice(context, sectorBytes);
      await sbdctl(context, ["device", "init", path, ...SHORT]);
      const device = openSlotDevice(path);
      const states = {
        armed: {},
        unarmed: { armed: false },
        "detect-only": { armed: false, detectOnly: true },
        leaving: { leaving: true },
        fenced: { fenced: true, acknowledgedEpoch: 4 },
      };
      const names = Object.keys(states);
      for (const [index, [name, flags]] of Object.entries(states).entries()) {
        device.writeHeartbeat(
          heartbeatOf({ nodeID: index + 1, nodeName: `node-${name}`, ...flags }),
        );
      }
      device.close();
      const { header, slots } = await show(context, path);
      assert.equal(header.timeoutMs, 3_000);
      assert.deepEqual(
        slots.map(({ state }: { state: string }) => state),
        names,
      );
      assert.deepEqual(
        slots.map(({ nodeName }: { nodeName: string }) => nodeName),
        names.map((name) => `node-${name}`),
      );
    },
  );
}

test("what cannot be read is listed with its slot and reason, and the rest is shown", async (context) => {
  const path = fileDevice();
  await sbdctl(context, ["device", "init", path, ...SHORT]);
  const fd = fs.openSync(path, "r+");
  fs.writeSync(fd, "nonsense", 5 * 512);
  fs.writeSync(fd, "nonsense", FENCE_REGION_OFFSET_BYTES + 6 * 512);
  fs.closeSync(fd);
  const { header, unreadable } = await show(context, path);
  assert.equal(header.generation, 1);
  assert.deepEqual(
    unreadable.map(({ region, nodeId }: Record<string, unknown>) => [region, nodeId]),
    [
      ["heartbeat", 5],
      ["fence", 6],
    ],
  );
  assert.match(unreadable[0].error, /SBDMSG01/);
});

test("--watch tells those that move from those that do not", async (context) => {
  const path = fileDevice();
  await sbdctl(context, ["device", "init", path, ...SHORT]);
  startSimulatedAgent(context, path, { nodeID: 1, nodeName: "node-a", obeys: "never" });
  startSimulatedAgent(context, path, { nodeID: 2, nodeName: "node-b", obeys: "never" }).stop();
  const { slots } = await show(context, path, "--watch", "1");
  assert.deepEqual(
    slots.map(({ nodeName, moved }: Record<string, unknown>) => [nodeName, moved]),
    [
      ["node-a", true],
      ["node-b", false],
    ],
  );
});

test("a name with control characters cannot drive the administrator's terminal", async (context) => {
  const path = fileDevice();
  await sbdctl(context, ["device", "init", path, ...SHORT]);
  const device = openSlotDevice(path);
  device.writeHeartbeat(heartbeatOf({ nodeName: "a\u001B[2Jb" }));
  device.close();
  const { stdout } = await sbdctl(context, ["device", "show", path]);
  assert.ok(!stdout.includes("\u001B"));
  assert.match(stdout, /a\?\[2Jb/);
});

test("Ctrl-C ends it at once while the device hangs", async (context) => {
  const path = fileDevice();
  const control = createFaultControl(join(temporaryDirectory(), "faults"));
  context.after(() => control.close());
  control.set({
    read: { hang: true, range: { fromByte: FENCE_REGION_OFFSET_BYTES, toByte: 2 ** 40 } },
  });
  const running = startSbdctl(context, ["device", "show", path], faultEnvironment(control, path));
  await control.until(({ read }) => read.hung > 0, 10_000);
  const { pid } = running.child;
  assert.ok(pid !== undefined);
  process.kill(pid, "SIGINT");
  const { signal } = await running.finished;
  assert.equal(signal, "SIGINT");
  // What it left behind in the hang ends with the hang.
  control.heal();
  await groupEnds(pid);
});

async function groupEnds(pgid: number): Promise<void> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    try {
      process.kill(-pgid, 0);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ESRCH");
      return;
    }
    assert.ok(performance.now() < endMs, "A process of the command outlives the hang");
    await delay(20);
  }
}
