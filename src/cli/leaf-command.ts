import { Option, type Command } from "commander";

import { CliError } from "./cli-error.ts";
import { EXIT_CODE, EXIT_CODE_HELP } from "./exit-code.ts";
import { createTerminal, type Terminal } from "./terminal.ts";

/** Of every command that does something. */
export type CommonOptions = { readonly output: string };

/** A command that does something, with what all of these have. */
export function leafCommand(
  parent: Command,
  usage: string,
  summary: string,
  details: string,
  formats: readonly string[] = ["text", "json"],
): Command {
  return parent
    .command(usage)
    .summary(summary)
    .description(`${summary}\n\n${details}`)
    .addOption(
      new Option("-o, --output <format>", "for people, or one JSON document on standard output")
        .choices(formats)
        .default(formats[0]),
    )
    .addHelpText("after", EXIT_CODE_HELP);
}

/** Runs a command and leaves its exit code; what it throws is its answer. */
export async function perform(
  { output }: CommonOptions,
  command: (terminal: Terminal) => Promise<void>,
): Promise<void> {
  const terminal = createTerminal(output === "json" ? "json" : "text");
  try {
    await command(terminal);
  } catch (error) {
    const known = error instanceof CliError ? error : null;
    const message = error instanceof Error ? error.message : String(error);
    if (output === "json") {
      const code = known?.code ?? "UNEXPECTED";
      terminal.answer({ ...known?.document, error: { code, message } }, "");
    } else if (known !== null && known.text !== "") {
      terminal.answer({}, known.text);
    }
    terminal.note(`sbdctl: ${message}`);
    process.exitCode = known?.exitCode ?? EXIT_CODE.failed;
  }
}
