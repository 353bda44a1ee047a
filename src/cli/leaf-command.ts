import { Option, type Command } from "commander";

import { CliError } from "./cli-error.ts";
import { EXIT_CODE, EXIT_CODE_HELP } from "./exit-code.ts";
import { createTerminal, type Terminal } from "./terminal.ts";

/** Of every command that does something. */
export type CommonOptions = { readonly output: "text" | "json" };

/** A command that does something, with what all of these have. */
export function leafCommand(
  parent: Command,
  usage: string,
  summary: string,
  details: string,
): Command {
  return parent
    .command(usage)
    .summary(summary)
    .description(`${summary}\n\n${details}`)
    .addOption(
      new Option("-o, --output <format>", "tables, or one JSON document on standard output")
        .choices(["text", "json"])
        .default("text"),
    )
    .addHelpText("after", EXIT_CODE_HELP);
}

/** Runs a command and leaves its exit code; what it throws is its answer. */
export async function perform(
  { output }: CommonOptions,
  command: (terminal: Terminal) => Promise<void>,
): Promise<void> {
  const terminal = createTerminal(output);
  try {
    await command(terminal);
  } catch (error) {
    const known = error instanceof CliError ? error : null;
    const message = error instanceof Error ? error.message : String(error);
    terminal.note(`sbdctl: ${message}`);
    if (output === "json") {
      const code = known?.code ?? "UNEXPECTED";
      terminal.answer({ ...known?.document, error: { code, message } }, "");
    }
    process.exitCode = known?.exitCode ?? EXIT_CODE.failed;
  }
}
