/**
 * A shared block device without hardware: a file, and as root a loop device on it, opened by all
 * virtual nodes under the same path.
 *
 * Modelled: block size, O_DIRECT through to the file's storage. Not modelled: paths that differ by
 * node, reservations, volatile write caches (see `fault-control.ts` for what can go wrong).
 */
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { rmSync } from "node:fs";
import { basename, join } from "node:path";

export type VirtualDeviceOptions = {
  /** For the backing file; made when it is not there. It must be on storage that takes O_DIRECT. */
  readonly directory: string;
  readonly blockBytes?: 512 | 4096;
  readonly sizeBytes?: number;
};

export type VirtualDevice = {
  /** What processes open. */
  readonly path: string;
  /** `file`: the backing file itself, where no loop device can be had; it has no block size. */
  readonly kind: "loop" | "file";
  readonly backingPath: string;
  /** Detaches the loop device and removes the file. */
  close(): void;
};

const SIZE_BYTES = 4 * 1024 * 1024;
const NAME_PREFIX = "sbd-virtual-device";
const ATTACH_TRIES_MAX = 5;

let devicesMade = 0;

/** Makes a device full of zeros. Detaches before what a killed process left attached. */
export function createVirtualDevice(options: VirtualDeviceOptions): VirtualDevice {
  const { directory, blockBytes = 512, sizeBytes = SIZE_BYTES } = options;
  detachOrphans();
  mkdirSync(directory, { recursive: true });
  devicesMade += 1;
  const backingPath = join(directory, `${NAME_PREFIX}-${ownerLabel()}-${devicesMade}.img`);
  const fd = openSync(backingPath, "wx");
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);

  const loopPath = attach(backingPath, blockBytes);
  return {
    path: loopPath ?? backingPath,
    kind: loopPath === null ? "file" : "loop",
    backingPath,
    close() {
      if (loopPath !== null) detach(loopPath);
      rmSync(backingPath, { force: true });
    },
  };
}

function attach(backingPath: string, blockBytes: number): string | null {
  if (process.getuid?.() !== 0) return null;
  // Others may take the free device between losetup's look and its grasp.
  for (let attempt = 0; attempt < ATTACH_TRIES_MAX; attempt += 1) {
    const size = String(blockBytes);
    const flags = ["--find", "--show", "--direct-io=on", "--sector-size", size];
    const { status, stdout } = losetup([...flags, backingPath]);
    if (status === 0) return stdout.trim();
  }
  return null;
}

function detach(loopPath: string): void {
  const { status, stderr } = losetup(["--detach", loopPath]);
  if (status !== 0) throw new Error(`The loop device ${loopPath} stays attached: ${stderr.trim()}`);
}

/** Of a killed run: devices on files with our names whose owner, in our PID namespace, is gone. */
function detachOrphans(): void {
  const { status, stdout } = losetup(["--list", "--noheadings", "--output", "NAME,BACK-FILE"]);
  if (status !== 0) return;
  for (const line of stdout.split("\n")) {
    const [loopPath, backingPath] = line.trim().split(/\s+/u);
    if (loopPath === undefined || backingPath === undefined) continue;
    if (!isOrphan(basename(backingPath))) continue;
    losetup(["--detach", loopPath]);
    rmSync(backingPath, { force: true });
  }
}

function isOrphan(name: string): boolean {
  const match = /^(.*)-(\d+)-(\d+)-(\d+)-\d+\.img$/u.exec(name);
  if (match === null || match[1] !== NAME_PREFIX) return false;
  return match[2] === pidNamespace() && startTimeOf(Number(match[3])) !== match[4];
}

/** Names this process so that neither a reused process ID nor another container is taken for it. */
function ownerLabel(): string {
  return `${pidNamespace()}-${process.pid}-${startTimeOf(process.pid)}`;
}

function pidNamespace(): string {
  return readlinkSync("/proc/self/ns/pid").replaceAll(/\D/gu, "");
}

/** Clock ticks after the machine's boot, or null when there is no such process. */
function startTimeOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

function losetup(argv: readonly string[]) {
  return spawnSync("losetup", argv, { encoding: "utf8" });
}
