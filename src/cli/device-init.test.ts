import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { whyNoLoopDevices } from "../platform/testing/loop-device.ts";
import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import { decodeDeviceHeader, type DeviceHeader } from "../protocol/device-header.ts";
import { DEVICE_SIZE_MIN_BYTES } from "../protocol/layout.ts";
import { marshalHeartbeat, newHeartbeat } from "../protocol/message.ts";
import { createFaultControl, faultEnvironment, type Faults } from "../testing/fault-control.ts";
import { bytesOf, directoryDevice, fileDevice, loopDevice } from "./testing/devices.ts";
import { sbdctl, startSbdctl, type Finished } from "./testing/sbdctl.ts";
import { startSimulatedAgent } from "./testing/simulated-agent.ts";

const skip = whyNoLoopDevices();
const SHORT = ["--timeout-seconds", "3", "--watchdog-timeout-seconds", "2"];

function headerOf(bytes: Uint8Array): DeviceHeader {
  const slot = decodeDeviceHeader(bytes);
  assert.equal(slot.kind, "header");
  return slot.header;
}

function json(finished: Finished) {
  assert.equal(finished.stdout.trim().split("\n").length, 1, finished.stdout);
  return JSON.parse(finished.stdout);
}

function refusalCodes(finished: Finished): string[] {
  assert.equal(finished.code, 3, finished.stderr);
  return json(finished).refused.map(({ code }: { code: string }) => code);
}

/** In every slot a heartbeat as the original Go agents write it: 33 bytes and nothing more. */
function writeGoHeartbeat(path: string, nodeID: number, sequence: number): void {
  const header = newHeartbeat(nodeID, sequence, () => 1_700_000_000_000_000_000n);
  const fd = fs.openSync(path, "r+");
  fs.writeSync(fd, marshalHeartbeat({ header }), 0, 33, nodeID * 512);
  fs.closeSync(fd);
}

function withFaults(path: string, faults: Faults): Record<string, string> {
  const control = createFaultControl(join(temporaryDirectory(), "faults"));
  control.set(faults);
  control.close();
  return faultEnvironment(control, path);
}

for (const sectorBytes of [512, 4096] as const) {
  test(
    `a block device with sectors of ${sectorBytes} bytes gets a header with that stride`,
    { skip },
    async (context) => {
      const path = loopDevice(context, sectorBytes);
      const finished = await sbdctl(context, ["device", "init", path, ...SHORT, "-o", "json"]);
      assert.equal(finished.code, 0, finished.stderr);
      const answer = json(finished);
      assert.equal(answer.path, path);
      assert.equal(answer.header.strideBytes, sectorBytes);
      const bytes = await bytesOf(path);
      const header = headerOf(bytes);
      assert.equal(header.deviceUUID, answer.header.deviceUuid);
      assert.equal(header.strideBytes, sectorBytes);
      assert.ok(bytes.subarray(sectorBytes).every((byte) => byte === 0));
    },
  );
}

test("the timing contract is written to the header and told with its arithmetic", async (context) => {
  const path = fileDevice();
  const args = ["device", "init", path, "--timeout-seconds", "30", "--cluster", "east"];
  const finished = await sbdctl(context, args);
  assert.equal(finished.code, 0, finished.stderr);
  assert.match(finished.stdout, /M\s+T \+ 2W \+ slack = 30 s \+ 2 × 15 s \+ 3 s = 63 s/);
  const header = headerOf(fs.readFileSync(path));
  assert.equal(header.timeoutMs, 30_000);
  assert.equal(header.watchdogMs, 15_000);
  assert.equal(header.clusterName, "east");
  assert.equal(header.onStorageLoss, "SelfFence");
  assert.equal(header.generation, 1);
});

test("a directory gets its two files", async (context) => {
  const path = directoryDevice();
  const args = ["device", "init", path, ...SHORT, "--on-storage-loss", "SurviveWithApi"];
  assert.equal((await sbdctl(context, args)).code, 0);
  const header = headerOf(fs.readFileSync(join(path, "sbd-device")));
  assert.equal(header.onStorageLoss, "SurviveWithApi");
  assert.equal(fs.statSync(join(path, "sbd-device-fence")).size, DEVICE_SIZE_MIN_BYTES / 2);
});

test("a directory is told from an initialised one, and --force initialises it again", async (context) => {
  const path = directoryDevice();
  const args = ["device", "init", path, ...SHORT, "-o", "json"];
  assert.equal((await sbdctl(context, args)).code, 0);
  assert.deepEqual(refusalCodes(await sbdctl(context, args)), ["INITIALISED"]);
  const forced = await sbdctl(context, [...args, "--force"]);
  assert.equal(json(forced).header.generation, 2);
});

test("an initialised device is refused by its name, generation and date, and stays as it was", async (context) => {
  const path = fileDevice();
  await sbdctl(context, ["device", "init", path, ...SHORT, "--cluster", "west"]);
  const before = fs.readFileSync(path);
  const refused = await sbdctl(context, ["device", "init", path, ...SHORT]);
  assert.equal(refused.code, 3);
  const created = new Date(Number(headerOf(before).createdNs / 1_000_000n))
    .toISOString()
    .slice(0, 19);
  assert.match(refused.stderr, /cluster 'west'/);
  assert.match(refused.stderr, /generation 1/);
  assert.ok(refused.stderr.includes(created), refused.stderr);
  assert.deepEqual(fs.readFileSync(path), before);
});

test("--force says what it overrides and the generation goes on", async (context) => {
  const path = fileDevice();
  await sbdctl(context, ["device", "init", path, ...SHORT, "--cluster", "west"]);
  const forced = await sbdctl(context, ["device", "init", path, ...SHORT, "--force", "-o", "json"]);
  assert.equal(forced.code, 0);
  assert.match(forced.stderr, /WARNING, overridden by --force: .*cluster 'west'/);
  assert.equal(json(forced).header.generation, 2);
  assert.equal(headerOf(fs.readFileSync(path)).generation, 2);
});

test("one device under two names is one device: the second name is refused with the first one's UUID", async (context) => {
  const path = fileDevice();
  const alias = join(temporaryDirectory(), "alias");
  fs.symlinkSync(path, alias);
  await sbdctl(context, ["device", "init", path, ...SHORT]);
  const refused = await sbdctl(context, ["device", "init", alias, ...SHORT]);
  assert.equal(refused.code, 3);
  assert.ok(refused.stderr.includes(headerOf(fs.readFileSync(path)).deviceUUID), refused.stderr);
});

test("foreign data is refused by its name", async (context) => {
  const path = fileDevice();
  const bytes = fs.readFileSync(path);
  bytes.set([0x53, 0xef], 0x438);
  fs.writeFileSync(path, bytes);
  const args = ["device", "init", path, ...SHORT, "-o", "json"];
  const refused = await sbdctl(context, args);
  assert.deepEqual(refusalCodes(refused), ["FOREIGN"]);
  assert.match(refused.stderr, /ext2\/3\/4/);
  assert.deepEqual(fs.readFileSync(path), bytes);
  const forced = await sbdctl(context, [...args, "--force"]);
  assert.equal(forced.code, 0, forced.stderr);
  assert.match(forced.stderr, /WARNING, overridden by --force: .*ext2\/3\/4/);
});

test("a damaged header is refused and not taken for an empty device", async (context) => {
  const path = fileDevice();
  await sbdctl(context, ["device", "init", path, ...SHORT]);
  const bytes = fs.readFileSync(path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  fs.writeFileSync(path, bytes);
  const refused = await sbdctl(context, ["device", "init", path, ...SHORT, "-o", "json"]);
  assert.deepEqual(refusalCodes(refused), ["DAMAGED_HEADER"]);
});

test("a device that an agent beats on is refused as live, by the agent's name", async (context) => {
  const path = fileDevice();
  await sbdctl(context, ["device", "init", path, ...SHORT]);
  startSimulatedAgent(context, path, { nodeID: 4, nodeName: "node-d", obeys: "never" });
  const refused = await sbdctl(context, ["device", "init", path, ...SHORT, "-o", "json"]);
  assert.deepEqual(refusalCodes(refused), ["INITIALISED", "LIVE"]);
  assert.match(refused.stderr, /slot 4 \(node-d\) moved/);
});

test("--force on a live device says loudly whose nodes will reset", async (context) => {
  const path = fileDevice();
  await sbdctl(context, ["device", "init", path, ...SHORT]);
  const agent = startSimulatedAgent(context, path, {
    nodeID: 4,
    nodeName: "node-d",
    obeys: "never",
  });
  const running = startSbdctl(context, ["device", "init", path, ...SHORT, "--force"]);
  await running.said("slot 4 (node-d) moved");
  agent.stop();
  const { stderr } = await running.finished;
  assert.match(stderr, /WARNING, overridden by --force: .* is in use/);
});

test("a Go agent that beats without any header is seen within M", async (context) => {
  const path = fileDevice();
  writeGoHeartbeat(path, 3, 1);
  const running = startSbdctl(context, ["device", "init", path, ...SHORT, "-o", "json"]);
  await running.said("Watching");
  writeGoHeartbeat(path, 3, 2);
  const refused = await running.finished;
  assert.deepEqual(refusalCodes(refused), ["GO_MESSAGES", "LIVE"]);
  assert.match(refused.stderr, /slot 3 \(a Go agent\)/);
});

test("a silent device with heartbeats is watched for all of M before it is judged", async (context) => {
  const path = fileDevice();
  writeGoHeartbeat(path, 130, 1);
  const startedMs = performance.now();
  const refused = await sbdctl(context, ["device", "init", path, ...SHORT, "-o", "json"]);
  assert.ok(performance.now() - startedMs >= 9_000, "M = 3 s + 2 × 2 s + 2 s");
  assert.deepEqual(refusalCodes(refused), ["GO_MESSAGES"]);
  assert.match(refused.stderr, /Nothing has moved on .* for 9 s/);
});

describe("faults of other programs", () => {
  for (const [label, timeout, watchdog, says] of [
    ["T below the least", "2", "2", /T \(sbdTimeoutSeconds\) must be 3 s to 3600 s/],
    ["a watchdog of one second", "60", "1", /W \(watchdogTimeoutSeconds\) must be 2 s to 600 s/],
    ["zeroes", "0", "0", /current value is 0 ms/],
  ] as const) {
    test(`create accepts any timeouts: init refuses ${label} and writes nothing`, async (context) => {
      const path = fileDevice();
      const args = ["--timeout-seconds", timeout, "--watchdog-timeout-seconds", watchdog];
      const refused = await sbdctl(context, ["device", "init", path, ...args]);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, says);
      assert.ok(fs.readFileSync(path).every((byte) => byte === 0));
    });
  }

  test(
    "a too small device is written before it is refused: init leaves every byte of it",
    { skip },
    async (context) => {
      const path = loopDevice(context, 512, DEVICE_SIZE_MIN_BYTES - 512);
      for (const force of [[], ["--force"]]) {
        const refused = await sbdctl(context, [
          "device",
          "init",
          path,
          ...SHORT,
          ...force,
          "-o",
          "json",
        ]);
        assert.deepEqual(refusalCodes(refused), ["TOO_SMALL"]);
      }
      assert.ok((await bytesOf(path)).every((byte) => byte === 0));
    },
  );

  test("a too small file in a directory is refused before another is made beside it", async (context) => {
    const path = directoryDevice();
    fs.writeFileSync(join(path, "sbd-device"), "short");
    const refused = await sbdctl(context, ["device", "init", path, ...SHORT, "-o", "json"]);
    assert.deepEqual(refusalCodes(refused), ["TOO_SMALL"]);
    assert.deepEqual(fs.readdirSync(path), ["sbd-device"]);
  });

  test("success is reported for a write that failed: init fails when a write does", async (context) => {
    const path = fileDevice();
    const environment = withFaults(path, { write: { errno: "EIO" } });
    const finished = await sbdctl(context, ["device", "init", path, ...SHORT], environment);
    assert.equal(finished.code, 1, finished.stderr);
    assert.match(finished.stderr, /EIO/);
    assert.equal(finished.stdout, "");
  });

  test("success is reported for a write that failed: init reads back what the storage lost", async (context) => {
    const path = fileDevice();
    const environment = withFaults(path, { write: { lose: true } });
    const finished = await sbdctl(
      context,
      ["device", "init", path, ...SHORT, "-o", "json"],
      environment,
    );
    assert.equal(finished.code, 1, finished.stderr);
    assert.equal(json(finished).error.code, "NOT_WRITTEN");
  });
});

test("a file that cannot be read past the page cache is refused", async (context) => {
  const refused = await sbdctl(context, [
    "device",
    "init",
    "/proc/self/oom_score_adj",
    ...SHORT,
    "-o",
    "json",
  ]);
  assert.deepEqual(refusalCodes(refused), ["NO_DIRECT_IO"]);
});

test("a path that leads nowhere fails and says so", async (context) => {
  const finished = await sbdctl(context, ["device", "init", "/no/such/device", ...SHORT]);
  assert.equal(finished.code, 1);
  assert.match(finished.stderr, /nothing at \/no\/such\/device/);
});

test("a cluster name that does not fit is a usage error", async (context) => {
  const path = fileDevice();
  const finished = await sbdctl(context, [
    "device",
    "init",
    path,
    ...SHORT,
    "--cluster",
    "é".repeat(32),
  ]);
  assert.equal(finished.code, 2);
  assert.match(finished.stderr, /64 bytes/);
});
