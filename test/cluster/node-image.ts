import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { resolveModules } from "../vm/kernel-modules.ts";
import { kernelPackage, unpacked } from "../vm/qemu-packages.ts";
import type { QemuPackages } from "../vm/qemu-packages.ts";
import { boxImage } from "./box-image.ts";

/** A node before its first boot. */
export type NodeImage = {
  /** Path of the raw image of its root disk, to be copied. */
  readonly root: string;
  /** Folder holding `kernel/…/*.ko`, with more of them than guests of test/vm have. */
  readonly modules: string;
};

export type NodeImageOptions = {
  readonly packages: QemuPackages;
  /** Path of the kubelet. */
  readonly kubelet: string;
  /** Path of the archive of the image under test. */
  readonly archive: string;
  readonly say: (line: string) => void;
};

const scripts = join(import.meta.dirname, "node");

/** What is loaded once the root is there, with all that it needs. */
const MODULES = [
  "overlay",
  "loop",
  "veth",
  "i6300esb",
  "softdog",
  // iptables as Debian has it speaks to nf_tables.
  "nft_compat",
  "nft_chain_nat",
  "xt_nat",
  "xt_MASQUERADE",
  "xt_comment",
  "xt_conntrack",
  "xt_mark",
  "xt_tcpudp",
];

const KERNEL_PARTS = [
  "./lib/modules/*/kernel/arch/*",
  "./lib/modules/*/kernel/crypto/*",
  "./lib/modules/*/kernel/drivers/block/*",
  "./lib/modules/*/kernel/drivers/char/*",
  "./lib/modules/*/kernel/drivers/net/*",
  "./lib/modules/*/kernel/drivers/virtio/*",
  "./lib/modules/*/kernel/drivers/watchdog/*",
  "./lib/modules/*/kernel/fs/*",
  "./lib/modules/*/kernel/lib/*",
  "./lib/modules/*/kernel/net/*",
  "./lib/modules/*/modules.builtin*",
  "./lib/modules/*/modules.order",
];

/** Sparse: a node writes some hundred megabytes of it. */
const ROOT_BYTES = 3 * 2 ** 30;

/**
 * The root disk of a node: Debian's containerd and runc, the kubelet, and the image under test imported.
 * Made anew where something that it is made of has changed; the earlier one is removed then.
 */
export function nodeImage({ packages, kubelet, archive, say }: NodeImageOptions): NodeImage {
  const { cache, kernelRelease } = packages;
  const kernel = unpacked(cache, kernelPackage(cache), KERNEL_PARTS, say, "node");
  const modules = join(kernel, "lib/modules", kernelRelease);
  const base = join(cache, `node-base-${digestOf(["build-base.sh"], [])}`);
  if (!existsSync(base)) {
    say("making the nodes' root from Debian's archive, once: two minutes");
    execFileSync(join(scripts, "build-base.sh"), [base], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  const { size, mtimeMs } = statSync(kubelet);
  const digest = digestOf(readdirSync(scripts), [
    readFileSync(archive),
    JSON.stringify([kernelRelease, kubelet, size, mtimeMs, MODULES]),
  ]);
  const root = join(cache, `node-${digest}.img`);
  if (!existsSync(root)) {
    say("making the nodes' root disk, with kubelet and the image imported");
    const work = join(cache, `node-root.${process.pid}`);
    try {
      execFileSync("cp", ["-a", base, work]);
      furnish(work, { modules, kernelRelease, kubelet });
      importImages(work, [boxImage(packages.busybox, cache), archive]);
      for (const name of readdirSync(cache)) {
        if (/^node-[0-9a-f]{16}\.img/.test(name)) rmSync(join(cache, name));
      }
      writeFileSync(`${root}.part`, "");
      truncateSync(`${root}.part`, ROOT_BYTES);
      execFileSync(
        "mkfs.ext4",
        ["-q", "-E", "lazy_itable_init=1,nodiscard", "-d", work, `${root}.part`],
        { stdio: ["ignore", "ignore", "inherit"] },
      );
      renameSync(`${root}.part`, root);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { root, modules };
}

function furnish(
  root: string,
  from: { readonly modules: string; readonly kernelRelease: string; readonly kubelet: string },
): void {
  const to = join(root, "lib/modules", from.kernelRelease);
  for (const { file, path } of resolveModules(from.modules, MODULES)) {
    mkdirSync(join(to, path, ".."), { recursive: true });
    copyFileSync(file, join(to, path));
  }
  for (const name of readdirSync(from.modules)) {
    if (name.startsWith("modules.")) copyFileSync(join(from.modules, name), join(to, name));
  }
  execFileSync("chroot", [root, "depmod", from.kernelRelease]);
  copyFileSync(from.kubelet, join(root, "usr/bin/kubelet"));
  mkdirSync(join(root, "etc/containerd"), { recursive: true });
  copyFileSync(join(scripts, "containerd.toml"), join(root, "etc/containerd/config.toml"));
  copyFileSync(join(scripts, "cni.conflist"), join(root, "etc/cni/net.d/10-ptp.conflist"));
  copyFileSync(join(scripts, "kubelet.yaml"), join(root, "etc/kubernetes/kubelet.yaml"));
  // Each node makes its own at its first boot.
  writeFileSync(join(root, "etc/machine-id"), "");
  writeFileSync(join(root, "etc/resolv.conf"), "");
}

function importImages(root: string, archives: readonly string[]): void {
  const isolated = ["--mount", "--pid", "--fork", "--kill-child"];
  const script = join(scripts, "import-images.sh");
  execFileSync("unshare", [...isolated, script, root, ...archives], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

function digestOf(files: readonly string[], more: readonly (string | Buffer)[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(join(scripts, file)));
  for (const part of more) hash.update(part);
  return hash.digest("hex").slice(0, 16);
}
