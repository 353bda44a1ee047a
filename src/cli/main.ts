import { CommanderError } from "commander";

import { EXIT_CODE } from "./exit-code.ts";
import { createProgram } from "./program.ts";

/** sbdctl. */
export async function runCtl(args: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      throw error;
    }
    // Help, or a command line that makes no sense; commander has said so.
    process.exitCode = error.exitCode === 0 ? EXIT_CODE.done : EXIT_CODE.usage;
  }
}
