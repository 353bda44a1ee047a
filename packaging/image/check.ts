/**
 * Fails where an image's archive is larger than it may be, holds what it must not, or does not start:
 * each word is started from its root filesystem, far enough to print its version.
 *
 * usage: node packaging/image/check.ts <OCI archive>; needs root, for chroot
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

import packageFile from "../../package.json" with { type: "json" };

const MEGABYTE = 1_000_000;
const SIZE_MAX_MB = 125;
const COMPRESSED_MAX_MB = 50;
const WORDS = ["agent", "agent-api", "operator", "fencer", "ctl"];
/** A root filesystem with any of these could be logged in to, or could change itself. */
const UNWANTED = ["bin/sh", "usr/bin/sh", "usr/bin/npm", "usr/bin/bash", "sbin/ldconfig"];
const GZIP_MAGIC = 0x1f8b;

type Blob = { readonly digest: string };
type Config = { readonly architecture: string; readonly config: { readonly Entrypoint: string[] } };

const [archive] = process.argv.slice(2);
if (archive === undefined) {
  console.error("usage: node packaging/image/check.ts <OCI archive>");
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "sbd-image-"));
try {
  const faults = check(archive, folder);
  for (const fault of faults) console.error(`image: ${fault}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function check(path: string, into: string): string[] {
  const layout = join(into, "layout");
  const root = join(into, "root");
  execFileSync("mkdir", [layout, root]);
  execFileSync("tar", ["-xf", path, "-C", layout]);
  const { config, layers } = readImage(layout);
  let sizeBytes = 0;
  let compressedBytes = 0;
  for (const layer of layers) {
    const bytes = readFileSync(layer);
    const isCompressed = bytes.readUInt16BE(0) === GZIP_MAGIC;
    const tar = isCompressed ? gunzipSync(bytes) : bytes;
    sizeBytes += tar.length;
    compressedBytes += isCompressed ? bytes.length : gzipSync(bytes).length;
    execFileSync("tar", ["-x", "-C", root], { input: tar });
  }
  const sizeMB = sizeBytes / MEGABYTE;
  const compressedMB = compressedBytes / MEGABYTE;
  console.log(
    `image: ${config.architecture}, ${sizeMB.toFixed(1)} MB, ${compressedMB.toFixed(1)} MB compressed`,
  );
  for (const { path: file, bytes } of largest(root)) {
    console.log(`  ${(bytes / MEGABYTE).toFixed(1).padStart(6)} MB  ${file}`);
  }
  return [
    ...(sizeMB > SIZE_MAX_MB ? [`more than ${SIZE_MAX_MB} MB`] : []),
    ...(compressedMB > COMPRESSED_MAX_MB ? [`more than ${COMPRESSED_MAX_MB} MB compressed`] : []),
    ...UNWANTED.filter((file) => existsSync(join(root, file))).map((file) => `/${file} is in it`),
    ...wordsThatFail(root, config),
  ];
}

function readImage(layout: string): { readonly config: Config; readonly layers: string[] } {
  const json = (path: string): unknown => JSON.parse(readFileSync(join(layout, path), "utf8"));
  const blob = ({ digest }: Blob): string => join("blobs", digest.replace(":", "/"));
  const index = json("index.json") as { readonly manifests: readonly Blob[] };
  const [first] = index.manifests;
  if (first === undefined) throw new Error("the archive holds no image");
  const manifest = json(blob(first)) as { readonly config: Blob; readonly layers: readonly Blob[] };
  const config = json(blob(manifest.config)) as Config;
  return { config, layers: manifest.layers.map((layer) => join(layout, blob(layer))) };
}

function wordsThatFail(root: string, { architecture, config }: Config): string[] {
  const [program = ""] = config.Entrypoint;
  const own = process.arch === "x64" ? "amd64" : process.arch;
  if (architecture !== own) {
    console.log(`image: not started, for this machine is ${own}`);
    return [];
  }
  return [...WORDS.map((word) => [program, word, "--version"]), ["/usr/bin/sbdctl", "--version"]]
    .map((command) => {
      const printed = execFileSync("chroot", [root, ...command], {
        encoding: "utf8",
        env: { PATH: "/usr/sbin:/usr/bin" },
      });
      console.log(`image: ${command.join(" ")}: ${printed.trim()}`);
      return printed.includes(packageFile.version) ? "" : `${command.join(" ")} has no version`;
    })
    .filter((fault) => fault !== "");
}

function largest(root: string): { readonly path: string; readonly bytes: number }[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: path.slice(root.length), bytes: statSync(path).size }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 5);
}
