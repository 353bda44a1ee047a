import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";

import { openSlotDevice } from "../platform/slot-device.ts";
import { whyNoLoopDevices } from "../platform/testing/loop-device.ts";
import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import type { FenceSlot } from "../protocol/fence-record.ts";
import { DEVICE_SIZE_MIN_BYTES, FENCE_REGION_OFFSET_BYTES } from "../protocol/layout.ts";
import { createFaultControl, faultEnvironment, type Faults } from "../testing/fault-control.ts";
import { fileDevice, loopDevice } from "./testing/devices.ts";
import { sbdctl, startOnTerminal, startSbdctl, type Finished } from "./testing/sbdctl.ts";
import { startSimulatedAgent, type SimulatedAgentOptions } from "./testing/simulated-agent.ts";

const skip = whyNoLoopDevices();
const SHORT = ["--timeout-seconds", "3", "--watchdog-timeout-seconds", "2", "--local-storage"];
const FENCE_REGION = { fromByte: FENCE_REGION_OFFSET_BYTES, toByte: DEVICE_SIZE_MIN_BYTES };

async function initialised(context: TestContext, path = fileDevice()): Promise<string> {
  const { code, stderr } = await sbdctl(context, ["device", "init", path, ...SHORT]);
  assert.equal(code, 0, stderr);
  return path;
}

function target(
  context: TestContext,
  path: string,
  obeys: SimulatedAgentOptions["obeys"],
  flags: SimulatedAgentOptions["flags"] = {},
) {
  return startSimulatedAgent(context, path, { nodeID: 2, nodeName: "node-b", obeys, flags });
}

function fence(
  context: TestContext,
  path: string,
  more: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<Finished> {
  return sbdctl(
    context,
    ["device", "fence", "node-b", "--device", path, "--yes", "-o", "json", ...more],
    environment,
  );
}

function fenceSlot(path: string): FenceSlot {
  const device = openSlotDevice(path);
  try {
    device.readHeader();
    return device.readFence(2);
  } finally {
    device.close();
  }
}

function withFaults(path: string, faults: Faults): Record<string, string> {
  const control = createFaultControl(join(temporaryDirectory(), "faults"));
  control.set(faults);
  control.close();
  return faultEnvironment(control, path);
}

for (const sectorBytes of [512, 4096] as const) {
  test(
    `a node that obeys and boots again is proven dead at once, on sectors of ${sectorBytes} bytes`,
    { skip },
    async (context) => {
      const path = await initialised(context, loopDevice(context, sectorBytes));
      const agent = target(context, path, "acknowledges");
      const { bootID } = agent;
      const args = ["device", "fence", "node-b", "--device", path, "--yes", "-o", "json"];
      const running = startSbdctl(context, [...args, "--reason", "SPLIT_BRAIN"]);
      await running.said("acknowledged: ");
      agent.bootAgain();
      const finished = await running.finished;
      assert.equal(finished.code, 0, finished.stderr);
      const { proven, evidence, epoch } = JSON.parse(finished.stdout);
      assert.equal(proven, true);
      assert.equal(evidence.kind, "Rebooted");
      assert.equal(evidence.bootId, bootID);
      assert.equal(epoch, 1);
      const slot = fenceSlot(path);
      assert.ok(slot.kind === "fence" && slot.record.targetBootID === bootID);
      assert.equal(slot.record.reason, 3);
      assert.equal(slot.record.senderID, 0);
      for (const stage of [/message durable/, /acknowledged: /, /proof: Rebooted/]) {
        assert.match(finished.stderr, stage);
      }
    },
  );
}

test("an armed node that acknowledges and falls silent is proven dead after 2W + slack", async (context) => {
  const path = await initialised(context);
  target(context, path, "acknowledges");
  const startedMs = performance.now();
  const finished = await fence(context, path);
  assert.equal(finished.code, 0, finished.stderr);
  assert.equal(JSON.parse(finished.stdout).evidence.kind, "Acknowledged");
  assert.ok(performance.now() - startedMs >= 6_000, "2 × 2 s + 2 s");
});

test("an acknowledgement without an armed watchdog proves nothing", async (context) => {
  const path = await initialised(context);
  target(context, path, "acknowledges", { armed: false });
  const finished = await fence(context, path, ["--wait", "2"]);
  assert.equal(finished.code, 3);
  assert.match(finished.stderr, /WARNING: its watchdog was never armed/);
  const { missing } = JSON.parse(finished.stdout);
  assert.ok(missing.some(({ code }: { code: string }) => code === "ACKNOWLEDGED_UNARMED"));
});

test("without --wait it gives up a margin after M", async (context) => {
  const path = await initialised(context);
  target(context, path, "never").stop();
  const startedMs = performance.now();
  const finished = await fence(context, path);
  const tookMs = performance.now() - startedMs;
  assert.equal(finished.code, 3);
  assert.ok(tookMs >= 11_000 && tookMs < 20_000, `M = 9 s and 2 s of margin: ${tookMs} ms`);
});

test("the node is found by its ID too", async (context) => {
  const path = await initialised(context);
  const agent = target(context, path, "acknowledges");
  const running = startSbdctl(context, ["device", "fence", "2", "--device", path, "--yes"]);
  await running.said("acknowledged: ");
  agent.bootAgain();
  const { code, stdout } = await running.finished;
  assert.equal(code, 0);
  assert.match(stdout, /^node-b is dead: Rebooted/);
});

test("a node that the device does not know is not fenced, and the known ones are named", async (context) => {
  const path = await initialised(context);
  target(context, path, "never");
  const args = ["device", "fence", "node-x", "--device", path, "--yes"];
  const { code, stderr } = await sbdctl(context, args);
  assert.equal(code, 1);
  assert.match(stderr, /node-b \(2\)/);
});

test("a slot without a boot to address is not fenced", async (context) => {
  const path = await initialised(context);
  const args = ["device", "fence", "9", "--device", path, "--yes"];
  const { code, stderr } = await sbdctl(context, args);
  assert.equal(code, 3);
  assert.match(stderr, /no agent of this node has ever beaten/);
});

test("nobody is fenced without --yes where there is no terminal", async (context) => {
  const path = await initialised(context);
  target(context, path, "acknowledges");
  const { code, stderr } = await sbdctl(context, ["device", "fence", "node-b", "--device", path]);
  assert.equal(code, 3);
  assert.match(stderr, /no terminal to confirm/);
  assert.equal(fenceSlot(path).kind, "empty");
});

test("on a terminal the node's name must be typed, and nothing else will do", async (context) => {
  const path = await initialised(context);
  const agent = target(context, path, "acknowledges");
  for (const { typed, exit, left } of [
    { typed: "yes", exit: 3, left: "empty" },
    { typed: "node-b", exit: 0, left: "fence" },
  ]) {
    const running = startOnTerminal(context, ["device", "fence", "node-b", "--device", path]);
    await running.said("Type 'node-b'");
    running.child.stdin?.write(`${typed}\n`);
    if (exit === 0) {
      await running.said("acknowledged: ");
      agent.bootAgain();
    }
    const { code, stdout } = await running.finished;
    assert.equal(code, exit, stdout);
    assert.equal(fenceSlot(path).kind, left);
  }
});

describe("faults of other programs", () => {
  test("ping exits with 0 whatever happens: a node that never answers is exit 3 and the message stands", async (context) => {
    const path = await initialised(context);
    const { bootID } = target(context, path, "never");
    const finished = await fence(context, path, ["--wait", "2"]);
    assert.equal(finished.code, 3);
    assert.match(finished.stderr, /The death of node-b is NOT proven; treat it as running/);
    assert.match(finished.stderr, /the target has not acknowledged/);
    const { proven, messageStands, error } = JSON.parse(finished.stdout);
    assert.deepEqual(
      { proven, messageStands, code: error.code },
      { proven: false, messageStands: true, code: "NOT_PROVEN" },
    );
    const slot = fenceSlot(path);
    assert.ok(slot.kind === "fence" && slot.record.targetBootID === bootID);
  });

  test("success is reported for a write that failed: EIO on the message is exit 1", async (context) => {
    const path = await initialised(context);
    target(context, path, "acknowledges");
    const faults = withFaults(path, { write: { errno: "EIO", range: FENCE_REGION } });
    const finished = await fence(context, path, [], faults);
    assert.equal(finished.code, 1, finished.stderr);
    assert.match(finished.stderr, /node-b was not fenced: .*EIO/);
    assert.equal(JSON.parse(finished.stdout).proven, false);
  });

  test("success is reported for a write that failed: a write that was lost is exit 1", async (context) => {
    const path = await initialised(context);
    target(context, path, "acknowledges");
    const faults = withFaults(path, { write: { lose: true, range: FENCE_REGION } });
    const finished = await fence(context, path, [], faults);
    assert.equal(finished.code, 1, finished.stderr);
    assert.match(finished.stderr, /read back empty, not what was written/);
    assert.equal(fenceSlot(path).kind, "empty");
  });

  test("one silently hung device hangs fencing: a write that hangs ends with the wait", async (context) => {
    const path = await initialised(context);
    target(context, path, "acknowledges");
    const faults = withFaults(path, { write: { hang: true, range: FENCE_REGION } });
    const finished = await fence(context, path, ["--wait", "4"], faults);
    assert.equal(finished.code, 3, finished.stderr);
    assert.match(finished.stderr, /the device has not answered for \d s/);
    assert.match(finished.stderr, /It is not known whether a message stands/);
  });
});

test("a device that is initialised anew meanwhile proves nothing", async (context) => {
  const path = await initialised(context);
  const agent = target(context, path, "never");
  const running = startSbdctl(context, [
    "device",
    "fence",
    "node-b",
    "--device",
    path,
    "--yes",
    "--wait",
    "8",
  ]);
  await running.said("message durable");
  agent.stop();
  await sbdctl(context, ["device", "init", path, ...SHORT, "--force", "--yes"]);
  const { code, stderr } = await running.finished;
  assert.equal(code, 3);
  assert.match(stderr, /the device is not the one of the start/);
});

test("a message that was cleared before it was read is written again under the next epoch", async (context) => {
  const path = await initialised(context);
  const agent = target(context, path, "never");
  const running = fence(context, path, ["--wait", "10"]);
  const device = openSlotDevice(path);
  context.after(() => device.close());
  device.readHeader();
  const first = await standing(device, 1);
  device.writeFence({ ...first, reason: 0 });
  const second = await standing(device, 2);
  assert.equal(second.targetBootID, agent.bootID);
  assert.equal((await running).code, 3);
});

/** Far beyond what starting the program takes; the waits that matter are the program's own. */
const STANDS_WITHIN_MS = 60_000;

async function standing(device: ReturnType<typeof openSlotDevice>, epoch: number) {
  const endMs = performance.now() + STANDS_WITHIN_MS;
  for (;;) {
    const slot = device.readFence(2);
    if (slot.kind === "fence" && slot.record.epoch === epoch) return slot.record;
    assert.ok(performance.now() < endMs, `No message of epoch ${epoch}: ${slot.kind}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
