import type { Command, Option } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** What may stand in place of the last word. */
export type Candidates = {
  /** `word`, or `word<tab>what it is`. */
  readonly words: readonly string[];
  /** A path may stand there, too. */
  readonly files: boolean;
};

const NOTHING: Candidates = { words: [], files: false };

/**
 * Candidates for the last of the words, which may be empty. Names of nodes are asked of the cluster,
 * within two seconds; without one there are none.
 */
export async function candidates(program: Command, words: readonly string[]): Promise<Candidates> {
  const partial = words.at(-1) ?? "";
  let command = program;
  let awaiting: Option | undefined;
  let positionals = 0;
  for (const word of words.slice(0, -1)) {
    if (awaiting !== undefined) {
      awaiting = undefined;
    } else if (word.startsWith("-")) {
      const option = optionOf(command, word);
      awaiting = option?.required === true && !word.includes("=") ? option : undefined;
    } else {
      const next = command.commands.find((known) => known.name() === word);
      command = next ?? command;
      positionals += next === undefined ? 1 : 0;
    }
  }
  if (awaiting !== undefined) return await valuesOf(awaiting, partial);
  if (partial.startsWith("-")) {
    const shown = command.createHelp().visibleOptions(command);
    return matching(
      shown.map(({ long, short, description }) => `${long ?? short ?? ""}\t${description}`),
      partial,
    );
  }
  const subcommands = command.createHelp().visibleCommands(command);
  if (subcommands.length > 0) {
    const listed = subcommands.map(
      (known) => `${known.name()}\t${known.summary() || known.description()}`,
    );
    return matching(listed, partial);
  }
  const argument =
    command.registeredArguments[Math.min(positionals, command.registeredArguments.length - 1)];
  if (argument === undefined || positionals > command.registeredArguments.length - 1)
    return NOTHING;
  if (argument.argChoices !== undefined) return matching(argument.argChoices, partial);
  return isPath(argument.name())
    ? { words: [], files: true }
    : isNode(argument.name())
      ? matching(await nodeNames(), partial)
      : NOTHING;
}

function optionOf(command: Command, word: string): Option | undefined {
  const [name] = word.split("=", 1);
  return command.options.find(({ long, short }) => name === long || name === short);
}

async function valuesOf(option: Option, partial: string): Promise<Candidates> {
  if (option.argChoices !== undefined) return matching(option.argChoices, partial);
  return isPath(option.flags) ? { words: [], files: true } : NOTHING;
}

function isPath(name: string): boolean {
  return /path|file|json|directory/i.test(name);
}

function isNode(name: string): boolean {
  return /node/i.test(name);
}

function matching(words: readonly string[], partial: string): Candidates {
  return { words: words.filter((word) => word.startsWith(partial)), files: false };
}

async function nodeNames(): Promise<readonly string[]> {
  try {
    const { sbdNodeNames } = await import("./cluster-names.ts");
    return await sbdNodeNames(2_000);
  } catch {
    return [];
  }
}
