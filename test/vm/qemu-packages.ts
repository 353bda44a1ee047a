import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** What a guest is made of, all of it from Debian, none of it installed beyond QEMU itself. */
export type QemuPackages = {
  /** Path of the emulator. */
  readonly qemu: string;
  /** The emulator's version line. */
  readonly qemuVersion: string;
  /** Path of the guests' kernel. */
  readonly kernel: string;
  /** The kernel's release, e.g. `6.1.0-56-amd64`. */
  readonly kernelRelease: string;
  /** Folder holding `kernel/…/*.ko` of that release. */
  readonly modules: string;
  /** Path of a static busybox. */
  readonly busybox: string;
  /** Folder for what is expensive to make and cheap to keep. */
  readonly cache: string;
};

/** Which Debian kernel the guests run: the release's own. */
const KERNEL_META_PACKAGE = "linux-image-amd64";

/** Only these parts of the 400 MB kernel package are unpacked. */
const KERNEL_PARTS = [
  "./boot/vmlinuz-*",
  "./lib/modules/*/kernel/drivers/block/*",
  "./lib/modules/*/kernel/drivers/char/*",
  "./lib/modules/*/kernel/drivers/i2c/*",
  "./lib/modules/*/kernel/drivers/mfd/*",
  "./lib/modules/*/kernel/drivers/net/*",
  "./lib/modules/*/kernel/drivers/virtio/*",
  "./lib/modules/*/kernel/drivers/watchdog/*",
  "./lib/modules/*/kernel/net/core/*",
];

/** The guests' parts cannot be had on this machine. */
export class QemuPackagesError extends Error {
  override readonly name = "QemuPackagesError";
  readonly code = "QEMU_PACKAGES_UNAVAILABLE";
}

/** Where everything is cached: `$XDG_CACHE_HOME/sbd-operator/vm`, else under `~/.cache`. */
export function vmCacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "sbd-operator", "vm");
}

/**
 * Sees to it that QEMU, a kernel and a busybox are there: installs the first with apt-get where it
 * is missing, unpacks the others into the cache. Says one line about each step that takes time.
 * Throws `QemuPackagesError` where it cannot, with the command that failed.
 */
export function qemuPackages(say: (line: string) => void): QemuPackages {
  const cache = vmCacheFolder();
  mkdirSync(cache, { recursive: true });
  const qemu = installedQemu(say);
  const kernelRoot = unpacked(cache, kernelPackage(cache), KERNEL_PARTS, say);
  const busyboxRoot = unpacked(cache, "busybox-static", ["./bin/busybox"], say);
  const vmlinuz = readdirSync(join(kernelRoot, "boot")).find((name) => name.startsWith("vmlinuz-"));
  if (vmlinuz === undefined) {
    throw new QemuPackagesError(
      `No kernel image under ${kernelRoot}/boot: delete it and try again.`,
    );
  }
  const kernelRelease = vmlinuz.slice("vmlinuz-".length);
  return {
    qemu,
    qemuVersion: run(qemu, ["--version"]).split("\n")[0] ?? "",
    kernel: uncompressedKernel(join(kernelRoot, "boot"), vmlinuz),
    kernelRelease,
    modules: join(kernelRoot, "lib/modules", kernelRelease),
    busybox: join(busyboxRoot, "bin/busybox"),
    cache,
  };
}

function installedQemu(say: (line: string) => void): string {
  const present = whereIs("qemu-system-x86_64");
  if (present !== undefined) return present;
  say("installing qemu-system-x86 with apt-get");
  run("apt-get", ["update", "-qq"]);
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "qemu-system-x86"]);
  const installed = whereIs("qemu-system-x86_64");
  if (installed === undefined) {
    throw new QemuPackagesError("apt-get installed qemu-system-x86, yet it is not on the PATH.");
  }
  return installed;
}

/** The package that the meta package points at, remembered so that a cached machine asks nobody. */
export function kernelPackage(cache: string): string {
  const have = readdirSync(cache).find((name) => /^linux-image-\d.*-amd64$/.test(name));
  if (have !== undefined) return have;
  const depends = run("apt-cache", ["depends", KERNEL_META_PACKAGE]);
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined) {
    throw new QemuPackagesError(
      `apt-cache knows no ${KERNEL_META_PACKAGE}: the guests need Debian's package lists.`,
    );
  }
  return name;
}

/** Parts of a Debian package in a folder of the cache; `use` tells it from other parts of the same. */
export function unpacked(
  cache: string,
  name: string,
  parts: readonly string[],
  say: (line: string) => void,
  use?: string,
): string {
  const folder = join(cache, use === undefined ? name : `${name}-${use}`);
  if (existsSync(folder)) return folder;
  say(`downloading and unpacking ${name}`);
  const work = `${folder}.${process.pid}.part`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  runBytes("apt-get", ["download", "-qq", name], work);
  const archive = readdirSync(work).find((file) => file.endsWith(".deb"));
  if (archive === undefined) throw new QemuPackagesError(`apt-get downloaded no ${name}.`);
  const tar = join(work, "data.tar");
  writeFileSync(tar, runBytes("dpkg-deb", ["--fsys-tarfile", join(work, archive)]));
  run("tar", ["-xf", tar, "-C", work, "--wildcards", ...parts]);
  rmSync(tar);
  rmSync(join(work, archive));
  renameSync(work, folder);
  return folder;
}

/**
 * The kernel as QEMU can start it without its own decompressor, which takes two of the five seconds
 * of an emulated boot. A kernel that is not packed with xz is used as it is.
 */
function uncompressedKernel(folder: string, vmlinuz: string): string {
  const plain = join(folder, "vmlinux");
  if (existsSync(plain)) return plain;
  const packed = readFileSync(join(folder, vmlinuz));
  const start = packed.indexOf(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]));
  if (start < 0) return join(folder, vmlinuz);
  const tail = `${plain}.xz`;
  writeFileSync(tail, packed.subarray(start));
  writeFileSync(`${plain}.part`, runBytes("xz", ["-dc", "--single-stream", tail]));
  rmSync(tail);
  renameSync(`${plain}.part`, plain);
  return plain;
}

function whereIs(program: string): string | undefined {
  const found = spawnSync("which", [program], { encoding: "utf8" });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

function run(program: string, args: readonly string[]): string {
  return runBytes(program, args).toString("utf8");
}

function runBytes(program: string, args: readonly string[], cwd?: string): Buffer {
  try {
    return execFileSync(program, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 2 ** 30,
    });
  } catch (error) {
    const stderr = (error as { stderr?: Buffer }).stderr?.toString("utf8").trim() ?? String(error);
    throw new QemuPackagesError(
      `No virtual machines here: '${program} ${args.join(" ")}' failed: ${stderr.split("\n").at(-1) ?? ""}`,
      { cause: error },
    );
  }
}
