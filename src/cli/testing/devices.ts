import { spawn } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { attachLoopDevice } from "../../platform/testing/loop-device.ts";
import { temporaryDirectory } from "../../platform/testing/temporary-directory.ts";
import { DEVICE_SIZE_MIN_BYTES } from "../../protocol/layout.ts";

/** A regular file large enough for a device, full of zeroes. */
export function fileDevice(sizeBytes = DEVICE_SIZE_MIN_BYTES): string {
  const path = join(temporaryDirectory(), "device");
  fs.writeFileSync(path, new Uint8Array(sizeBytes));
  return path;
}

/** An empty directory. */
export function directoryDevice(): string {
  return temporaryDirectory();
}

/** A block device of the kernel's, full of zeroes, detached with the test. */
export function loopDevice(
  context: TestContext,
  sectorBytes: 512 | 4096,
  sizeBytes = DEVICE_SIZE_MIN_BYTES,
): string {
  const loop = attachLoopDevice({ sectorBytes, sizeBytes });
  context.after(() => loop.detach());
  return loop.path;
}

/** All bytes of a block device or file, past no cache of ours. */
export async function bytesOf(path: string): Promise<Buffer> {
  // A block device's page cache may be older than what O_DIRECT wrote.
  const reader = spawn("dd", [`if=${path}`, "iflag=direct", "bs=64K", "status=none"]);
  const chunks: Buffer[] = [];
  for await (const chunk of reader.stdout) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
