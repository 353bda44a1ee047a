import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";

import { temporaryDirectory } from "./temporary-directory.ts";

/** A real block device of the kernel's, over an unlinked file. */
export type LoopDevice = {
  readonly path: string;
  /** The file beneath it, open for reading and writing. */
  readonly backingFd: number;
  detach(): void;
};

export type LoopOptions = {
  readonly sizeBytes?: number;
  readonly sectorBytes?: 512 | 4096;
  readonly access?: "read-write" | "read-only";
};

/** Why there can be no loop devices here, or false: the value for a test's `skip`. */
export function whyNoLoopDevices(): string | false {
  if (process.getuid?.() !== 0) return "loop devices need root";
  const probe = spawnSync("losetup", ["--find"], { encoding: "utf8" });
  return probe.status === 0 ? false : `no loop devices: ${probe.stderr ?? probe.error}`;
}

/**
 * Attaches a device that goes away with this process, however that ends: it is detached at once, and
 * the kernel does so when the last descriptor, ours, is closed.
 */
export function attachLoopDevice(options: LoopOptions = {}): LoopDevice {
  const { sizeBytes = 4 << 20, sectorBytes = 512, access = "read-write" } = options;
  const file = join(temporaryDirectory(), "backing");
  const backingFd = fs.openSync(file, "w+");
  fs.ftruncateSync(backingFd, sizeBytes);
  const path = losetup(
    "--find",
    "--show",
    "--direct-io=on",
    `--sector-size=${sectorBytes}`,
    ...(access === "read-only" ? ["--read-only"] : []),
    file,
  );
  const holder = fs.openSync(path, "r");
  losetup("--detach", path);
  fs.unlinkSync(file);
  return {
    path,
    backingFd,
    detach() {
      fs.closeSync(holder);
      fs.closeSync(backingFd);
    },
  };
}

function losetup(...parameters: string[]): string {
  const result = spawnSync("losetup", parameters, { encoding: "utf8" });
  if (result.status === 0) return result.stdout.trim();
  throw new Error(`losetup ${parameters.join(" ")}: ${result.stderr}`);
}
