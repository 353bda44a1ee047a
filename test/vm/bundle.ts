import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { QemuPackagesError } from "./qemu-packages.ts";

const ESBUILD = "esbuild@0.28.2";

/**
 * A program and all it imports as one JavaScript module, as in the images: the Kubernetes client alone
 * has 800 files, which an emulated processor takes twenty seconds to load. esbuild is fetched into the
 * cache by npm, once.
 */
export function bundle(entry: string, cache: string, say: (line: string) => void): Buffer {
  const home = join(cache, ESBUILD);
  const esbuild = join(home, "node_modules/@esbuild/linux-x64/bin/esbuild");
  if (!existsSync(esbuild)) {
    say(`fetching ${ESBUILD} with npm`);
    mkdirSync(home, { recursive: true });
    run("npm", [
      "install",
      "--prefix",
      home,
      "--ignore-scripts",
      "--no-audit",
      "--silent",
      ESBUILD,
    ]);
  }
  return run(esbuild, [
    entry,
    "--bundle",
    "--platform=node",
    "--target=node24",
    "--format=esm",
    "--log-level=error",
    "--minify-whitespace",
    // Some of what is bundled is CommonJS and asks for Node's own modules by require().
    "--banner:js=import * as nodeModule from 'node:module'; const require = nodeModule.createRequire(import.meta.url);",
  ]);
}

function run(program: string, args: readonly string[]): Buffer {
  try {
    return execFileSync(program, args, { maxBuffer: 2 ** 28, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const stderr = (error as { stderr?: Buffer }).stderr?.toString("utf8").trim() ?? String(error);
    throw new QemuPackagesError(`No virtual machines here: '${program}' failed: ${stderr}`, {
      cause: error,
    });
  }
}
