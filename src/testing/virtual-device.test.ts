import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { closeSync, openSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { native } from "../platform/native.ts";
import { createVirtualDevice } from "./virtual-device.ts";

const MODULE = fileURLToPath(new URL("virtual-device.ts", import.meta.url));
const ROOT_ONLY = process.getuid?.() === 0 ? false : "loop devices need root";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sbd-device-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

test("a new device is zeros of the size asked for, and gone after close", () => {
  const device = createVirtualDevice({ directory, sizeBytes: 2 << 20 });
  assert.ok(readFileSync(device.backingPath).equals(Buffer.alloc(2 << 20)));
  device.close();
  assert.deepEqual(readdirSync(directory), []);
});

test("the device has the block size asked for", { skip: ROOT_ONLY }, () => {
  for (const blockBytes of [512, 4096] as const) {
    const device = createVirtualDevice({ directory, blockBytes });
    try {
      assert.equal(device.kind, "loop");
      const fd = openSync(device.path, "r+");
      const sizes = native.blockSizes(fd);
      closeSync(fd);
      assert.ok(typeof sizes !== "number");
      assert.deepEqual([sizes.logical, sizes.sizeBytes], [blockBytes, 4 << 20]);
    } finally {
      device.close();
    }
  }
});

test("what is written to the device is in the backing file", { skip: ROOT_ONLY }, () => {
  const device = createVirtualDevice({ directory });
  try {
    const fd = openSync(device.path, "rs+");
    writeSync(fd, Buffer.alloc(512, 7), 0, 512, 1024);
    closeSync(fd);
    assert.equal(readFileSync(device.backingPath)[1024], 7);
  } finally {
    device.close();
  }
});

test(
  "a device whose owner was killed is detached by the next one made",
  { skip: ROOT_ONLY },
  () => {
    const script = `
    import { createVirtualDevice } from ${JSON.stringify(MODULE)};
    const device = createVirtualDevice({ directory: ${JSON.stringify(directory)} });
    process.stdout.write(device.path + " " + device.backingPath);
    process.kill(process.pid, "SIGKILL");`;
    const file = join(directory, "owner.ts");
    writeFileSync(file, script);
    const owner = spawnSync(process.execPath, [file], { encoding: "utf8" });
    assert.equal(owner.signal, "SIGKILL");
    const [path = "", backingPath = ""] = owner.stdout.split(" ");
    assert.ok(attached().includes(backingPath), "left behind");

    const device = createVirtualDevice({ directory });
    try {
      assert.ok(!attached().includes(backingPath));
      assert.ok(!existsSync(backingPath));
      assert.ok(attached().includes(device.backingPath), `a living owner keeps its own, ${path}`);
    } finally {
      device.close();
    }
  },
);

function attached(): string {
  return spawnSync("losetup", ["--list", "--output", "BACK-FILE"], { encoding: "utf8" }).stdout;
}
