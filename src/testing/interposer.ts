import { existsSync } from "node:fs";
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
  return PATH;
}
