import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { bundle } from "../../packaging/bundle.ts";
import { cpio } from "./cpio.ts";
import type { CpioEntry } from "./cpio.ts";
import { resolveModules } from "./kernel-modules.ts";
import type { QemuPackages } from "./qemu-packages.ts";

/** Where the bundle of the image lies inside a guest. */
export const guestBundle = "/opt/sbd";
/** Where `test/vm` lies inside a guest. Its TypeScript is JavaScript there: `x.ts` is `x.js`. */
export const guestTests = "/opt/test-vm";

/** What guests can load: `init.sh` loads the virtio ones, a guest's settings choose a watchdog. */
const LOADABLE = [
  "virtio_pci",
  "virtio_console",
  "virtio_net",
  "virtio_blk",
  "i6300esb",
  "softdog",
  "lpc_ich",
  "iTCO_wdt",
];

/** What to put into the guests besides Linux and Node. */
export type InitramfsContents = {
  /** The repository on this machine. */
  readonly repository: string;
  /** More files, from their path on this machine to their path in the guest. */
  readonly files: ReadonlyMap<string, string>;
};

/**
 * Builds the guests' initramfs and returns its path: busybox, the Node that runs this, the kernel
 * modules, the bundle that images are made of, and the repository's `test/vm`.
 * The large part that never changes is cached; the repository's is packed anew each time, and the
 * kernel unpacks one after the other. Uncompressed: measured, a guest is up two seconds sooner, and
 * the memory is given back at once.
 */
export async function buildInitramfs(
  packages: QemuPackages,
  contents: InitramfsContents,
  workFolder: string,
  say: (line: string) => void,
): Promise<string> {
  const base = baseArchive(packages, say);
  const path = join(workFolder, "initramfs.cpio");
  const bundleFolder = join(workFolder, "bundle");
  await bundle(bundleFolder);
  const own = cpio([
    ...readdirSync(bundleFolder).map((name) =>
      file(join(guestBundle, name), join(bundleFolder, name)),
    ),
    ...testEntries(contents),
  ]);
  writeFileSync(path, Buffer.concat([readFileSync(base), own]));
  return path;
}

function baseArchive(packages: QemuPackages, say: (line: string) => void): string {
  const node = process.execPath;
  const modules = LOADABLE.map((name) => ({
    name,
    chain: resolveModules(packages.modules, [name]),
  }));
  const key = createHash("sha256")
    .update(JSON.stringify([packages.kernelRelease, process.version, statSync(node).size, modules]))
    .digest("hex")
    .slice(0, 16);
  const path = join(packages.cache, `base-${key}.cpio`);
  if (existsSync(path)) return path;
  say("packing busybox, Node and kernel modules for the guests");
  for (const name of readdirSync(packages.cache)) {
    if (name.startsWith("base-")) rmSync(join(packages.cache, name), { force: true });
  }
  const stripped = join(packages.cache, `node.${process.pid}.part`);
  execFileSync("strip", ["-o", stripped, node]);
  const entries: CpioEntry[] = [
    // The kernel opens it before anything is mounted.
    { kind: "characterDevice", path: "/dev/console", major: 5, minor: 1 },
    { kind: "link", path: "/bin/sh", target: "busybox" },
    file("/bin/busybox", packages.busybox),
    { kind: "file", path: "/usr/bin/node", mode: 0o755, data: readFileSync(stripped) },
    ...sharedLibraries(node).map((library) => file(library, realpathSync(library))),
  ];
  const packed = new Set<string>();
  for (const { name, chain } of modules) {
    const order = chain.map((module) => `${module.name}\n`).join("");
    entries.push({
      kind: "file",
      path: `/modules/${name}.order`,
      mode: 0o644,
      data: Buffer.from(order),
    });
    for (const module of chain) {
      if (packed.has(module.name)) continue;
      packed.add(module.name);
      entries.push(file(`/modules/${module.name}.ko`, module.file));
    }
  }
  writeFileSync(`${path}.part`, cpio(entries));
  renameSync(`${path}.part`, path);
  rmSync(stripped);
  return path;
}

function testEntries({ repository, files }: InitramfsContents): CpioEntry[] {
  const entries: CpioEntry[] = [
    file("/init", join(repository, "test/vm/guest/init.sh")),
    file("/functions.sh", join(repository, "test/vm/guest/functions.sh")),
    {
      kind: "file",
      path: join(guestTests, "package.json"),
      mode: 0o644,
      data: Buffer.from('{"type":"module"}'),
    },
    ...tree(join(repository, "test/vm"), guestTests),
  ];
  for (const [here, there] of files) entries.push(file(there, here));
  return entries;
}

function isSource(name: string): boolean {
  return name.endsWith(".ts") && !name.endsWith(".test.ts");
}

function* tree(from: string, to: string): Generator<CpioEntry, void, undefined> {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      yield* tree(join(from, entry.name), join(to, entry.name));
    } else if (entry.isFile() && isSource(entry.name)) {
      yield javascript(join(to, entry.name), join(from, entry.name));
    }
  }
}

/**
 * What Node would make of the file at every start, made once: an emulated processor takes seconds for
 * it. Names of files inside string literals change with the files.
 */
function javascript(path: string, from: string): CpioEntry {
  const code = stripTypeScriptTypes(readFileSync(from, "utf8"));
  const data = Buffer.from(code.replaceAll(/(["'`][^"'`\s]*)\.ts(?=["'`])/g, "$1.js"));
  return { kind: "file", path: path.replace(/\.ts$/, ".js"), mode: 0o644, data };
}

function sharedLibraries(program: string): string[] {
  const listing = execFileSync("ldd", [program], { encoding: "utf8" });
  return [...listing.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
}

function file(path: string, from: string): CpioEntry {
  const mode = statSync(from).mode & 0o111 || path === "/init" ? 0o755 : 0o644;
  return { kind: "file", path, mode, data: readFileSync(from) };
}
