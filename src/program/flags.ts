import { parseArgs } from "node:util";

/** A flag: the environment variable beside it, what it is, and its value where nothing says. */
export type FlagFacts = {
  readonly variable: string;
  readonly text: string;
  readonly default?: string;
};
export type Flags<Flag extends string = string> = Readonly<Record<Flag, FlagFacts>>;

/** Thrown for a flag or variable that cannot be meant: names it, its value, and what that means. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

/** Reads one flag; each but `value` throws a FlagError. */
export type FlagReader<Flag extends string> = {
  /** Empty where nothing says. */
  readonly value: (flag: Flag) => string;
  readonly required: (flag: Flag) => string;
  readonly wholeNumber: (flag: Flag, min: number, max: number) => number;
  readonly oneOf: <const Value extends string>(flag: Flag, values: readonly Value[]) => Value;
};

/**
 * Reads flags, then variables, then defaults.
 *
 * @param meaning what a refusal means, a sentence
 * @throws {FlagError} for a flag that is none
 */
export function readFlags<Flag extends string>(
  flags: Flags<Flag>,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  meaning: string,
): FlagReader<Flag> {
  const given = parse();

  function parse(): Readonly<Partial<Record<string, string>>> {
    const options = Object.fromEntries(
      Object.keys(flags).map((flag) => [flag, { type: "string" as const }]),
    );
    try {
      return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
    } catch (error) {
      throw new FlagError(error instanceof Error ? error.message : String(error));
    }
  }

  function value(flag: Flag): string {
    return given[flag] ?? environment[flags[flag].variable] ?? flags[flag].default ?? "";
  }

  function required(flag: Flag): string {
    const found = value(flag);
    if (found === "") {
      const { variable, text } = flags[flag];
      throw new FlagError(
        `Cannot start as neither --${flag} nor ${variable} is set: ${text}. ${meaning}`,
      );
    }
    return found;
  }

  function wanted(flag: Flag, what: string): FlagError {
    return new FlagError(
      `Cannot start as --${flag} (${flags[flag].variable}) must be ${what}: current value is ` +
        `'${value(flag)}'. ${meaning}`,
    );
  }

  return {
    value,
    required,
    wholeNumber(flag, min, max) {
      const number = Number(required(flag));
      if (!Number.isInteger(number) || number < min || number > max) {
        throw wanted(flag, `a whole number from ${min} to ${max}`);
      }
      return number;
    },
    oneOf(flag, values) {
      const found = values.find((candidate) => candidate === value(flag));
      if (found === undefined) {
        throw wanted(flag, `one of ${values.join(", ")}`);
      }
      return found;
    },
  };
}

/** One line a flag. */
export function flagsUsage(word: string, flags: Flags): string {
  const lines = Object.entries(flags).map(([flag, facts]) => {
    const preset = facts.default === undefined ? "" : ` (${facts.default})`;
    return `  --${flag.padEnd(28)} ${facts.variable.padEnd(31)} ${facts.text}${preset}`;
  });
  return [
    `usage: sbd ${word} [flags]; each flag has an environment variable, and some a default`,
    ...lines,
  ].join("\n");
}
