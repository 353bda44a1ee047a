import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import {
  foreignSignature,
  readForeignSignature,
  SIGNATURE_HEAD_BYTES,
  SIGNATURE_TAIL_BYTES,
} from "./foreign-signature.ts";
import { temporaryDirectory } from "./testing/temporary-directory.ts";

const SIZE_BYTES = 8 << 20;

function emptyFile(): string {
  const path = join(temporaryDirectory(), "device");
  fs.writeFileSync(path, new Uint8Array(SIZE_BYTES));
  return path;
}

for (const [tool, name, ...parameters] of [
  ["mkfs.ext4", "ext2/3/4", "-q", "-F"],
  ["mkfs.ext2", "ext2/3/4", "-q", "-F"],
  ["mkswap", "swap"],
] as const) {
  const missing = spawnSync(tool, ["-V"]).error !== undefined && `there is no ${tool} here`;
  test(`what ${tool} writes is ${name}`, { skip: missing }, () => {
    const path = emptyFile();
    const made = spawnSync(tool, [...parameters, path], { encoding: "utf8" });
    assert.equal(made.status, 0, made.stderr);
    assert.equal(readForeignSignature(path), name);
  });
}

const noSfdisk = spawnSync("sfdisk", ["-v"]).error !== undefined && "there is no sfdisk here";
for (const [label, name] of [
  ["gpt", "GPT partition table"],
  ["dos", "MBR partition table or boot sector"],
] as const) {
  test(`a partition table of kind ${label} is found`, { skip: noSfdisk }, () => {
    const path = emptyFile();
    const input = `label: ${label}\n,1M\n`;
    const made = spawnSync("sfdisk", ["-q", path], { input, encoding: "utf8" });
    assert.equal(made.status, 0, made.stderr);
    assert.equal(readForeignSignature(path), name);
  });
}

test(
  "a partition table whose beginning was wiped is found by its backup",
  { skip: noSfdisk },
  () => {
    const path = emptyFile();
    const made = spawnSync("sfdisk", ["-q", path], {
      input: "label: gpt\n,1M\n",
      encoding: "utf8",
    });
    assert.equal(made.status, 0, made.stderr);
    const fd = fs.openSync(path, "r+");
    fs.writeSync(fd, new Uint8Array(1 << 20));
    fs.closeSync(fd);
    assert.equal(readForeignSignature(path), "backup GPT partition table");
  },
);

/** A device of zeroes with something at an offset; a negative one counts from the end. */
function deviceWith(offset: number, bytes: readonly number[] | string): string | null {
  const device = Buffer.alloc(SIZE_BYTES);
  Buffer.from(bytes as string).copy(device, offset < 0 ? SIZE_BYTES + offset : offset);
  return foreignSignature({
    head: device.subarray(0, SIGNATURE_HEAD_BYTES),
    tail: device.subarray(-SIGNATURE_TAIL_BYTES),
    sizeBytes: SIZE_BYTES,
  });
}

const MD_MAGIC = [0xfc, 0x4e, 0x2b, 0xa9];

test("signatures are found where their owners put them", () => {
  for (const [name, offset, bytes] of [
    ["ClusterLabs sbd", 0, "SBD_SBD_"],
    ["xfs", 0, "XFSB"],
    ["btrfs", 65_536 + 64, "_BHRfS_M"],
    ["LUKS", 0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]],
    ["LUKS", 16_384, [0x53, 0x4b, 0x55, 0x4c, 0xba, 0xbe]],
    ["LVM2 PV", 512 + 24, "LVM2 001"],
    ["swap", 65_536 - 10, "SWAPSPACE2"],
    ["iso9660", 32_769, "CD001"],
    ["md raid", 0, MD_MAGIC],
    ["md raid", 4096, MD_MAGIC],
    ["md raid", -8192, MD_MAGIC],
    ["md raid", -65_536, MD_MAGIC],
    ["zfs", 128 * 1024 + 3 * 1024, [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0]],
    ["GPT partition table", 4096, "EFI PART"],
    ["MBR partition table or boot sector", 510, [0x55, 0xaa]],
    ["sbd messages without a device header", 512, "SBDMSG01"],
    ["backup GPT partition table", -512, "EFI PART"],
    ["backup GPT partition table", -4096, "EFI PART"],
    ["Intel RAID", -1024, "Intel Raid ISM Cfg Sig. "],
    ["DDF RAID", -512, [0xde, 0x11, 0xde, 0x11]],
    ["zfs", -128 * 1024 + 5 * 1024, [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0]],
    ["sbd messages without a device header", (1 << 20) + 512, "SBDMSG01"],
    ["unknown data at byte 65535", 65_535, [1]],
    ["unknown data at byte 2097151", SIGNATURE_HEAD_BYTES - 1, [1]],
  ] as const) {
    assert.equal(deviceWith(offset, bytes), name);
  }
});

test("zeroes, our own device and data past all that is written are nothing foreign", () => {
  assert.equal(deviceWith(0, ""), null);
  assert.equal(deviceWith(0, "SBDDEV01 and what follows"), null);
  assert.equal(deviceWith(SIGNATURE_HEAD_BYTES, [1]), null);
  assert.equal(readForeignSignature(emptyFile()), null);
  assert.equal(readForeignSignature(temporaryDirectory()), null);
});
