import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import packageFile from "../../package.json" with { type: "json" };

/** What the Dockerfile copies, and itself; not what only tests have. */
const SOURCES = [
  "Dockerfile",
  "Makefile",
  "package.json",
  "package-lock.json",
  ".npmrc",
  "packaging/**/*",
  "src/**/*",
];

/** Path of the archive of this tree's image: what `make image` left, unless a source has changed since. */
export function testImage(repository: string, say: (line: string) => void): string {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const folder = join(cache, "sbd-operator/image");
  const archive = join(folder, `sbd-operator-${packageFile.version}-amd64.tar`);
  const madeOf = join(folder, "made-of");
  const digest = digestOf(repository);
  const isFresh =
    existsSync(archive) && existsSync(madeOf) && readFileSync(madeOf, "utf8").trim() === digest;
  if (isFresh) return archive;
  say("make image");
  execFileSync("make", ["--silent", "image"], {
    cwd: repository,
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, ARCH: "amd64", IMAGE: "" },
  });
  writeFileSync(madeOf, `${digest}\n`);
  return archive;
}

function digestOf(repository: string): string {
  const hash = createHash("sha256");
  const files = globSync(SOURCES, { cwd: repository, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".test.ts"))
    .filter(({ parentPath }) => !parentPath.startsWith(join(repository, "src/testing")))
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
  for (const file of files) {
    hash.update(file.slice(repository.length));
    hash.update(readFileSync(file));
  }
  return hash.digest("hex");
}
