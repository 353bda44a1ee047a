import { Argument, type Command } from "commander";

import { candidates, SHELLS, type Shell } from "./completion.ts";
import { completionScript } from "./completion-script.ts";
import { leafCommand, perform, type CommonOptions } from "./leaf-command.ts";
import { manualPage } from "./manual.ts";

/** `version`, `completion`, `man`, and what a completing shell asks. */
export function addShellCommands(program: Command): void {
  leafCommand(
    program,
    "version",
    "print the versions of this program and of the cluster's parts, and whether they differ",
    "Agents, fencers and operator understand each other across one release; a part that says nothing is " +
      "unknown. JSON: {client, server, operator, agents: [{version, nodes}], skew}; null where unknown.",
  )
    .option("--client", "this program only; asks no cluster")
    .option("--context <name>", "of the kubeconfig (default: its current one)")
    .action(
      async (flags: CommonOptions & { readonly client?: true; readonly context?: string }) => {
        const { showVersion } = await import("./version.ts");
        const options = { clientOnly: flags.client === true, context: flags.context ?? null };
        await perform(flags, (terminal) => showVersion(options, terminal));
      },
    );
  program
    .command("completion")
    .description("print the completion script of a shell, as its manual says to load it")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .action((shell: Shell) => {
      process.stdout.write(completionScript(shell));
    });
  program
    .command("man")
    .description("print the manual page, for man(1): sbdctl man | man -l -")
    .action(() => {
      process.stdout.write(manualPage(program));
    });
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .allowUnknownOption()
    .helpOption(false)
    .passThroughOptions()
    .action(async (words: string[]) => {
      const found = await candidates(program, words);
      process.stdout.write([...found.words, `:${found.files ? 0 : 4}`, ""].join("\n"));
    });
}
