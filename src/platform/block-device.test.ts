import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";

import {
  DEVICE_SIZE_MIN_BYTES,
  FENCE_REGION_OFFSET_BYTES,
  REGION_SIZE_BYTES,
} from "../protocol/layout.ts";
import { openSharedDevice, type SharedDevice } from "./block-device.ts";
import { BlockDeviceError, type BlockDeviceErrorCode } from "./block-device-error.ts";
import { createDeviceFiles } from "./device-files.ts";
import { POISON_BYTE } from "./direct-file.ts";
import { attachLoopDevice, type LoopOptions, whyNoLoopDevices } from "./testing/loop-device.ts";
import { platformModule, runPreloaded } from "./testing/preloaded.ts";
import { temporaryDirectory } from "./testing/temporary-directory.ts";

const skip = whyNoLoopDevices();

function loopDevice(context: TestContext, options: LoopOptions = {}) {
  const loop = attachLoopDevice(options);
  context.after(() => loop.detach());
  return loop;
}

function open(context: TestContext, path: string): SharedDevice {
  const device = openSharedDevice(path);
  context.after(() => device.close());
  return device;
}

function hasCode(code: BlockDeviceErrorCode) {
  return (error: unknown) => {
    assert.ok(error instanceof BlockDeviceError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

function directoryWithFiles(): string {
  const directory = temporaryDirectory();
  createDeviceFiles(directory);
  return directory;
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + 1) % 256);
}

describe("a block device", { skip }, () => {
  for (const sectorBytes of [512, 4096] as const) {
    test(`with blocks of ${sectorBytes} bytes gives back what was written, in both regions`, (t) => {
      const loop = loopDevice(t, { sectorBytes });
      const device = open(t, loop.path);
      assert.equal(device.logicalBlockBytes, sectorBytes);
      assert.equal(device.sizeBytes, 4 << 20);
      assert.equal(device.layout, "BlockDevice");
      const heartbeat = pattern(sectorBytes);
      const fence = pattern(sectorBytes).toReversed();
      device.writeAt("heartbeat", 255 * sectorBytes, heartbeat);
      device.writeAt("fence", 255 * sectorBytes, fence);
      device.sync("heartbeat");
      device.sync("fence");
      assert.deepEqual(device.readAt("heartbeat", 255 * sectorBytes, sectorBytes), heartbeat);
      assert.deepEqual(device.readAt("fence", 255 * sectorBytes, sectorBytes), fence);

      const raw = Buffer.alloc(sectorBytes);
      fs.readSync(loop.backingFd, raw, 0, sectorBytes, 255 * sectorBytes);
      assert.deepEqual(new Uint8Array(raw), heartbeat);
      fs.readSync(
        loop.backingFd,
        raw,
        0,
        sectorBytes,
        FENCE_REGION_OFFSET_BYTES + 255 * sectorBytes,
      );
      assert.deepEqual(new Uint8Array(raw), fence);
    });
  }

  test("with blocks of 4096 bytes refuses a write of 512, which would touch a neighbour's slot", (t) => {
    const device = open(t, loopDevice(t, { sectorBytes: 4096 }).path);
    assert.throws(() => device.writeAt("heartbeat", 0, pattern(512)), hasCode("MISALIGNED"));
    assert.throws(() => device.readAt("heartbeat", 512, 4096), hasCode("MISALIGNED"));
  });

  test("is read past the page cache: another node's write shows, whatever is cached here", (t) => {
    const loop = loopDevice(t);
    const device = open(t, loop.path);
    const cached = fs.openSync(loop.path, "r");
    t.after(() => fs.closeSync(cached));
    const stale = Buffer.alloc(4096);
    fs.readSync(cached, stale, 0, 4096, 0);

    // Behind the back of this device's page cache, as another node would.
    fs.writeSync(loop.backingFd, pattern(512), 0, 512, 512);
    fs.fsyncSync(loop.backingFd);

    assert.deepEqual(device.readAt("heartbeat", 512, 512), pattern(512));
    fs.readSync(cached, stale, 0, 4096, 0);
    assert.deepEqual(new Uint8Array(stale.subarray(512, 1024)), new Uint8Array(512));
  });

  test("that is smaller than both regions is refused", (t) => {
    const { path } = loopDevice(t, { sizeBytes: DEVICE_SIZE_MIN_BYTES - 4096 });
    assert.throws(() => openSharedDevice(path), hasCode("TOO_SMALL"));
  });

  test("of exactly both regions is taken, up to its last slot", (t) => {
    const device = open(t, loopDevice(t, { sizeBytes: DEVICE_SIZE_MIN_BYTES }).path);
    device.writeAt("fence", REGION_SIZE_BYTES - 512, pattern(512));
    assert.deepEqual(device.readAt("fence", REGION_SIZE_BYTES - 512, 512), pattern(512));
  });

  test("that is read-only is refused at opening, not at the first heartbeat", (t) => {
    const { path } = loopDevice(t, { access: "read-only" });
    assert.throws(() => openSharedDevice(path), hasCode("READ_ONLY"));
  });

  test("that another process shrinks gives a short read, never zeroes in its place", (t) => {
    const loop = loopDevice(t);
    const device = open(t, loop.path);
    fs.ftruncateSync(loop.backingFd, 1 << 20);
    const resized = spawnSync("losetup", ["--set-capacity", loop.path], { encoding: "utf8" });
    assert.equal(resized.status, 0, resized.stderr);
    assert.throws(() => device.readAt("fence", 0, 512), hasCode("SHORT_READ"));
    assert.throws(() => device.writeAt("fence", 0, pattern(512)), hasCode("WRITE_FAILED"));
  });

  test("whose link is turned to another device is seen as replaced", (t) => {
    const link = join(temporaryDirectory(), "device");
    fs.symlinkSync(loopDevice(t).path, link);
    const device = open(t, link);
    assert.deepEqual(device.identity(), { kind: "same" });
    fs.unlinkSync(link);
    assert.equal(device.identity().kind, "gone");
    fs.symlinkSync(loopDevice(t).path, link);
    assert.equal(device.identity().kind, "replaced");
  });

  test("works on a worker thread", async (t) => {
    const loop = loopDevice(t);
    const code = `
      const { workerData } = require("node:worker_threads");
      import(workerData.module).then(({ openSharedDevice }) => {
        const device = openSharedDevice(workerData.path);
        device.writeAt("heartbeat", 512, new Uint8Array(512).fill(9));
        device.sync("heartbeat");
        device.close();
      });`;
    const module = new URL("block-device.ts", import.meta.url).href;
    const worker = new Worker(code, { eval: true, workerData: { module, path: loop.path } });
    const exitCode = await new Promise((resolve, reject) => {
      worker.once("exit", resolve).once("error", reject);
    });
    assert.equal(exitCode, 0);
    assert.deepEqual(open(t, loop.path).readAt("heartbeat", 512, 512), new Uint8Array(512).fill(9));
  });

  test("under a filesystem with blocks of 4096 bytes makes its files use those", (t) => {
    const directory = mountedDirectory(t);
    createDeviceFiles(directory);
    const device = open(t, directory);
    assert.equal(device.logicalBlockBytes, 4096);
    device.writeAt("fence", 4096, pattern(4096));
    assert.deepEqual(device.readAt("fence", 4096, 4096), pattern(4096));
  });
});

/** A filesystem on a 4096-byte device, reached by a descriptor: unmounted whenever we end. */
function mountedDirectory(t: TestContext): string {
  const loop = loopDevice(t, { sectorBytes: 4096, sizeBytes: 32 << 20 });
  const mountPoint = temporaryDirectory();
  for (const [command, ...parameters] of [
    ["mkfs.ext4", "-q", loop.path],
    ["mount", loop.path, mountPoint],
  ] as const) {
    const result = spawnSync(command, parameters, { encoding: "utf8" });
    assert.equal(result.status, 0, result.stderr);
  }
  const fd = fs.openSync(mountPoint, "r");
  t.after(() => fs.closeSync(fd));
  assert.equal(spawnSync("umount", ["--lazy", mountPoint]).status, 0);
  return `/proc/self/fd/${fd}`;
}

test("a directory's two files are its two regions", (t) => {
  const directory = directoryWithFiles();
  const device = open(t, directory);
  assert.equal(device.layout, "Directory");
  assert.equal(device.sizeBytes, 2 * REGION_SIZE_BYTES);
  const block = device.logicalBlockBytes;
  device.writeAt("heartbeat", block, pattern(block));
  device.writeAt("fence", block, pattern(block).toReversed());
  device.sync("heartbeat");
  device.sync("fence");
  const heartbeats = fs.readFileSync(join(directory, "sbd-device"));
  const fences = fs.readFileSync(join(directory, "sbd-device-fence"));
  assert.deepEqual(new Uint8Array(heartbeats.subarray(block, 2 * block)), pattern(block));
  assert.deepEqual(new Uint8Array(fences.subarray(block, 2 * block)), pattern(block).toReversed());
});

test("a path is not an identity: a file renamed over sbd-device is seen, and the old one still read", (t) => {
  const directory = directoryWithFiles();
  const device = open(t, directory);
  assert.deepEqual(device.identity(), { kind: "same" });
  const replacement = join(directory, "new");
  fs.writeFileSync(replacement, new Uint8Array(REGION_SIZE_BYTES).fill(1));
  fs.renameSync(replacement, join(directory, "sbd-device-fence"));
  assert.equal(device.identity().kind, "replaced");
  assert.equal(device.readAt("fence", 0, 4096)[0], 0);
});

test("a read that ends early is an error, and never filled up with zeroes", (t) => {
  const directory = directoryWithFiles();
  const device = open(t, directory);
  fs.truncateSync(join(directory, "sbd-device"), 4096);
  assert.throws(() => device.readAt("heartbeat", 8192, 4096), hasCode("SHORT_READ"));
});

test("a driver that claims a read it did not do leaves poison, which no slot can be taken for", () => {
  const device = directoryWithFiles();
  const output = runPreloaded(
    `#include <sys/types.h>
     ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
       (void)fd; (void)bytes; (void)offset;
       return (ssize_t)length;
     }`,
    `import { openSharedDevice } from ${JSON.stringify(platformModule("block-device.ts"))};
     const device = openSharedDevice(${JSON.stringify(device)});
     console.log(JSON.stringify([...new Set(device.readAt("heartbeat", 0, 4096))]));`,
  );
  assert.deepEqual(JSON.parse(output), [POISON_BYTE]);
});

test("what is read belongs to the caller and is not overwritten by the next read", (t) => {
  const device = open(t, directoryWithFiles());
  device.writeAt("heartbeat", 4096, new Uint8Array(4096).fill(3));
  const first = device.readAt("heartbeat", 4096, 4096);
  device.readAt("heartbeat", 0, 4096);
  assert.ok(first.every((byte) => byte === 3));
  assert.ok(!(first instanceof Buffer), "no Buffer leaks out");
});

test("a regular file of both regions' size is laid out as a block device", (t) => {
  const path = join(temporaryDirectory(), "device");
  fs.writeFileSync(path, new Uint8Array(DEVICE_SIZE_MIN_BYTES));
  const device = open(t, path);
  assert.equal(device.layout, "BlockDevice");
  device.writeAt("fence", 0, pattern(4096));
  const written = fs.readFileSync(path).subarray(FENCE_REGION_OFFSET_BYTES);
  assert.deepEqual(new Uint8Array(written.subarray(0, 4096)), pattern(4096));
});

test("the whole region is one read", (t) => {
  const device = open(t, directoryWithFiles());
  device.writeAt("heartbeat", REGION_SIZE_BYTES - 4096, pattern(4096));
  const region = device.readAt("heartbeat", 0, REGION_SIZE_BYTES);
  assert.equal(region.length, REGION_SIZE_BYTES);
  assert.deepEqual(region.subarray(-4096), pattern(4096));
  assert.ok(
    !region.includes(POISON_BYTE, 0) || region.indexOf(POISON_BYTE) >= region.length - 4096,
  );
});

test("nothing outside of a region can be reached", (t) => {
  const device = open(t, directoryWithFiles());
  for (const [offset, length] of [
    [-4096, 4096],
    [REGION_SIZE_BYTES, 4096],
    [REGION_SIZE_BYTES - 4096, 8192],
    [0, 0],
    [Number.NaN, 4096],
  ] as const) {
    assert.throws(() => device.readAt("heartbeat", offset, length), hasCode("OUT_OF_RANGE"));
  }
  const tooMuch = new Uint8Array(REGION_SIZE_BYTES + 4096);
  assert.throws(() => device.writeAt("heartbeat", 0, tooMuch), hasCode("OUT_OF_RANGE"));
});

test("a directory without the files, or with one too small, is refused and left as it is", () => {
  const directory = temporaryDirectory();
  assert.throws(() => openSharedDevice(directory), hasCode("NOT_FOUND"));
  assert.deepEqual(fs.readdirSync(directory), []);
  createDeviceFiles(directory);
  fs.truncateSync(join(directory, "sbd-device-fence"), 4096);
  assert.throws(() => openSharedDevice(directory), hasCode("TOO_SMALL"));
});

test("what cannot carry heartbeats is refused by name", () => {
  assert.throws(() => openSharedDevice("/nonexistent/device"), hasCode("NOT_FOUND"));
  assert.throws(() => openSharedDevice("/dev/null"), hasCode("NOT_A_DEVICE"));
  assert.throws(() => openSharedDevice("/proc/self/oom_score_adj"), hasCode("NO_DIRECT_IO"));
});

test("a closed device is not used again, and can be closed twice", () => {
  const device = openSharedDevice(directoryWithFiles());
  device.close();
  device.close();
  assert.throws(() => device.readAt("heartbeat", 0, 4096), hasCode("CLOSED"));
  assert.throws(() => device.writeAt("heartbeat", 0, pattern(4096)), hasCode("CLOSED"));
  assert.throws(() => device.sync("fence"), hasCode("CLOSED"));
});

test("creating device files leaves those that exist alone", () => {
  const directory = temporaryDirectory();
  fs.writeFileSync(join(directory, "sbd-device"), "somebody's");
  assert.deepEqual(createDeviceFiles(directory), ["sbd-device-fence"]);
  assert.deepEqual(createDeviceFiles(directory), []);
  assert.equal(fs.readFileSync(join(directory, "sbd-device"), "utf8"), "somebody's");
  assert.deepEqual(fs.readdirSync(directory).sort(), ["sbd-device", "sbd-device-fence"]);
});
