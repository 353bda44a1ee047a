import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { whyNoLoopDevices } from "../platform/testing/loop-device.ts";
import { storageReach } from "../platform/storage-reach.ts";
import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import { decodeDeviceHeader, type DeviceHeader } from "../protocol/device-header.ts";
import { DEVICE_SIZE_MIN_BYTES } from "../protocol/layout.ts";
import { marshalHeartbeat, newHeartbeat } from "../protocol/message.ts";
import { createFaultControl, faultEnvironment, type Faults } from "../testing/fault-control.ts";
import { bytesOf, directoryDevice, fileDevice, loopDevice } from "./testing/devices.ts";
import { sbdctl, startOnTerminal, startSbdctl, type Finished } from "./testing/sbdctl.ts";
import { startSimulatedAgent } from "./testing/simulated-agent.ts";

const skip = whyNoLoopDevices();
const SHORT = ["--timeout-seconds", "3", "--watchdog-timeout-seconds", "2", "--local-storage"];

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
  args.push("--local-storage");
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
  const forced = await sbdctl(context, [...args, "--force", "--yes"]);
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
  const forced = await sbdctl(context, [
    "device",
    "init",
    path,
    ...SHORT,
    "--force",
    "--yes",
    "-o",
    "json",
  ]);
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
  const forced = await sbdctl(context, [...args, "--force", "--yes"]);
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
  const running = startSbdctl(context, ["device", "init", path, ...SHORT, "--force", "--yes"]);
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
      for (const force of [[], ["--force", "--yes"]]) {
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

describe("what no flag overrides", () => {
  const FORCED = [...SHORT, "--force", "--yes", "-o", "json"];

  test("a mounted device stays as it is, also with --force", { skip }, async (context) => {
    const path = loopDevice(context, 512, 8 << 20);
    const mountpoint = temporaryDirectory();
    execFileSync("mkfs.ext4", ["-q", path]);
    execFileSync("mount", [path, mountpoint]);
    context.after(() => execFileSync("umount", [mountpoint]));
    fs.writeFileSync(join(mountpoint, "file"), "kept");
    const refused = await sbdctl(context, ["device", "init", path, ...FORCED]);
    assert.deepEqual(refusalCodes(refused), ["HELD"]);
    assert.match(refused.stderr, /mounted, or belongs to device mapper/);
    assert.equal(fs.readFileSync(join(mountpoint, "file"), "utf8"), "kept");
  });

  test("so does one that another program holds", { skip }, async (context) => {
    const path = loopDevice(context, 512);
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_EXCL);
    const refused = await sbdctl(context, ["device", "init", path, ...FORCED]);
    fs.closeSync(fd);
    assert.deepEqual(refusalCodes(refused), ["HELD"]);
    assert.equal((await sbdctl(context, ["device", "init", path, ...FORCED])).code, 0);
  });

  test("memory is refused, and nothing is made in it", async (context) => {
    const path = fs.mkdtempSync("/dev/shm/sbd-init-");
    context.after(() => fs.rmSync(path, { recursive: true }));
    const args = FORCED.filter((word) => word !== "--local-storage");
    const refused = await sbdctl(context, ["device", "init", path, ...args]);
    assert.deepEqual(refusalCodes(refused), ["PRIVATE_STORAGE"]);
    assert.match(refused.stderr, /is on tmpfs, which no other node can see/);
    assert.deepEqual(fs.readdirSync(path), []);
  });
});

test("a filesystem of one machine is warned about, unless it is said to be meant", async (context) => {
  const path = directoryDevice();
  if (storageReach(path).reach !== "local") {
    context.skip("temporary files are not on a local filesystem");
    return;
  }
  const warned = await sbdctl(context, [
    "device",
    "init",
    path,
    ...SHORT.filter((word) => word !== "--local-storage"),
  ]);
  assert.equal(warned.code, 0, warned.stderr);
  assert.match(warned.stderr, /WARNING: .* a filesystem that one machine mounts/);
  const meant = await sbdctl(context, ["device", "init", directoryDevice(), ...SHORT]);
  assert.doesNotMatch(meant.stderr, /WARNING/);
});

test("every byte that is to be written is looked at, and the end of the disk", async (context) => {
  for (const [offset, bytes, says] of [
    [DEVICE_SIZE_MIN_BYTES - 1, [1], /unknown data at byte 2097151/],
    [(8 << 20) - 512, [...Buffer.from("EFI PART")], /backup GPT partition table/],
  ] as const) {
    const path = fileDevice(8 << 20);
    const fd = fs.openSync(path, "r+");
    fs.writeSync(fd, Uint8Array.from(bytes), 0, bytes.length, offset);
    fs.closeSync(fd);
    const refused = await sbdctl(context, ["device", "init", path, ...SHORT, "-o", "json"]);
    assert.deepEqual(refusalCodes(refused), ["FOREIGN"]);
    assert.match(refused.stderr, says);
  }
});

test("--force asks for the device's name, and takes no other answer", async (context) => {
  const path = fileDevice();
  await sbdctl(context, ["device", "init", path, ...SHORT]);
  const args = ["device", "init", path, ...SHORT, "--force"];
  const nobody = await sbdctl(context, args);
  assert.equal(nobody.code, 3);
  assert.match(nobody.stderr, /no terminal to confirm it on/);
  for (const [typed, code] of [
    ["yes", 3],
    [path, 0],
  ] as const) {
    const running = startOnTerminal(context, args);
    await running.said(`Type '${path}'`);
    running.child.stdin?.write(`${typed}\n`);
    assert.equal((await running.finished).code, code);
  }
  assert.equal(headerOf(fs.readFileSync(path)).generation, 2);
});

test("a W longer than T is questioned", async (context) => {
  const path = fileDevice();
  const args = ["device", "init", path, "--local-storage", "--timeout-seconds", "5"];
  args.push("--watchdog-timeout-seconds", "30");
  const refused = await sbdctl(context, args);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /W = 30 s is longer than T = 5 s/);
  assert.ok(fs.readFileSync(path).every((byte) => byte === 0));
  assert.equal((await sbdctl(context, [...args, "--yes"])).code, 0);
});

describe("for an SBDConfig", () => {
  const CONFIG = "11111111-1111-4111-8111-111111111111";
  const OTHER = "22222222-2222-4222-8222-222222222222";
  const CLUSTER = "33333333-3333-4333-8333-333333333333";
  const forConfig = (config: string, cluster = CLUSTER): string[] => [
    ...SHORT,
    "--config-uid",
    config,
    "--cluster-uid",
    cluster,
    "-o",
    "json",
  ];

  test("a UID that a kubectl which failed has left empty is exit 2, and nothing is written", async (context) => {
    const path = fileDevice();
    const before = fs.readFileSync(path);
    for (const args of [forConfig(""), forConfig(CONFIG, "")]) {
      const { code, stdout } = await sbdctl(context, ["device", "init", path, ...args]);
      assert.equal(code, 2);
      assert.match(JSON.parse(stdout).error.message, /It must be a UID/);
    }
    assert.deepEqual(fs.readFileSync(path), before);
  });

  test("a blank device gets its UIDs and those of the cluster, and is left as it is ever after", async (context) => {
    const path = fileDevice();
    const result = join(temporaryDirectory(), "result");
    const args = ["device", "init", path, ...forConfig(CONFIG), "--result-file", result];
    assert.equal((await sbdctl(context, args)).code, 0);
    assert.equal(JSON.parse(fs.readFileSync(result, "utf8")).outcome, "initialised");
    const bytes = fs.readFileSync(path);
    const { configUID, clusterUID } = headerOf(bytes);
    assert.deepEqual([configUID, clusterUID], [CONFIG, CLUSTER]);
    const again = await sbdctl(context, args);
    assert.equal(again.code, 0, again.stderr);
    const { outcome, header } = JSON.parse(fs.readFileSync(result, "utf8"));
    assert.deepEqual([outcome, header.configUid, header.timeoutMs], ["kept", CONFIG, 3_000]);
    assert.deepEqual(fs.readFileSync(path), bytes);
  });

  for (const [code, config, cluster, says] of [
    ["OTHER_CLUSTER", CONFIG, OTHER, /belongs to the cluster with UID/],
    ["OTHER_CONFIG", OTHER, CLUSTER, /belongs to the SBDConfig with UID/],
  ] as const) {
    test(`a device with ${code} is refused, and the result file says why`, async (context) => {
      const path = fileDevice();
      const result = join(temporaryDirectory(), "result");
      await sbdctl(context, ["device", "init", path, ...forConfig(CONFIG)]);
      const bytes = fs.readFileSync(path);
      const args = [...forConfig(config, cluster), "--living-config-uids", CONFIG];
      const refused = await sbdctl(context, [
        "device",
        "init",
        path,
        ...args,
        "--result-file",
        result,
      ]);
      assert.deepEqual(refusalCodes(refused), [code]);
      const told = JSON.parse(fs.readFileSync(result, "utf8"));
      assert.deepEqual(told.refused, [code]);
      assert.match(told.error.message, says);
      assert.deepEqual(fs.readFileSync(path), bytes);
    });
  }

  test("a device that names nobody is refused, with the remedy", async (context) => {
    const path = fileDevice();
    await sbdctl(context, ["device", "init", path, ...SHORT]);
    const refused = await sbdctl(context, ["device", "init", path, ...forConfig(CONFIG)]);
    assert.deepEqual(refusalCodes(refused), ["NO_OWNER"]);
    assert.match(refused.stderr, /--force --config-uid 11111111/);
  });

  test("the device of a deleted SBDConfig is initialised anew once nothing moves on it", async (context) => {
    const path = fileDevice();
    await sbdctl(context, ["device", "init", path, ...forConfig(CONFIG)]);
    const args = ["device", "init", path, ...forConfig(OTHER), "--living-config-uids", "none"];
    const agent = startSimulatedAgent(context, path, {
      nodeID: 4,
      nodeName: "node-d",
      obeys: "never",
    });
    assert.deepEqual(refusalCodes(await sbdctl(context, args)), ["LIVE"]);
    agent.stop();
    const startedMs = performance.now();
    const done = await sbdctl(context, args);
    assert.equal(done.code, 0, done.stderr);
    assert.ok(performance.now() - startedMs >= 9_000, "M = 3 s + 2 × 2 s + 2 s");
    const { configUID, generation } = headerOf(fs.readFileSync(path));
    assert.deepEqual([configUID, generation], [OTHER, 2]);
  });

  test("half a claim makes no sense", async (context) => {
    const path = fileDevice();
    const refused = await sbdctl(context, [
      "device",
      "init",
      path,
      ...SHORT,
      "--config-uid",
      CONFIG,
    ]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /belong together/);
  });
});
