import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PATH = fileURLToPath(new URL("../../build/interpose.so", import.meta.url));

/**
 * Path of the preloaded library that injects storage faults and answers for virtual watchdogs.
 *
 * @throws {Error} when it has not been compiled.
 */
export function interposerPath(): string {
  if (!existsSync(PATH)) {
    throw new Error(
      `The interposer ${PATH} is not there, so no process can run on virtual hardware: run 'make setup'`,
    );
  }
  loadable ??= /[\s:]/.test(PATH) ? linkTo(PATH) : PATH;
  return loadable;
}

let loadable: string | null = null;

/** The loader splits LD_PRELOAD at spaces and colons, and knows no way to quote them. */
function linkTo(path: string): string {
  const directory = mkdtempSync(join(tmpdir(), "sbd-interposer-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const link = join(directory, "interpose.so");
  symlinkSync(path, link);
  return link;
}
