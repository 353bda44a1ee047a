import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cpio } from "../vm/cpio.ts";
import type { CpioEntry } from "../vm/cpio.ts";
import { resolveModules } from "../vm/kernel-modules.ts";

/** What it takes to reach the root disk, the network, and the host's channel. */
const MODULES = [
  "virtio_pci",
  "virtio_console",
  "virtio_net",
  "virtio_blk",
  "crc32c_generic",
  "ext4",
];

/** Writes the initramfs of a node: busybox, those modules, and the scripts of `node/`. */
export function nodeInitramfs(busybox: string, modules: string, path: string): void {
  const chain = resolveModules(modules, MODULES);
  writeFileSync(
    path,
    cpio([
      { kind: "characterDevice", path: "/dev/console", major: 5, minor: 1 },
      { kind: "file", path: "/bin/busybox", mode: 0o755, data: readFileSync(busybox) },
      { kind: "link", path: "/bin/sh", target: "busybox" },
      script("/init", "node/init.sh"),
      script("/node/node-init.sh", "node/node-init.sh"),
      script("/node/functions.sh", "../vm/guest/functions.sh"),
      {
        kind: "file",
        path: "/modules/order",
        mode: 0o644,
        data: Buffer.from(chain.map(({ name }) => `${name}\n`).join("")),
      },
      ...chain.map(({ name, file }): CpioEntry => {
        return { kind: "file", path: `/modules/${name}.ko`, mode: 0o644, data: readFileSync(file) };
      }),
    ]),
  );
}

function script(to: string, ...from: readonly string[]): CpioEntry {
  const data = readFileSync(join(import.meta.dirname, ...from));
  return { kind: "file", path: to, mode: 0o755, data };
}
