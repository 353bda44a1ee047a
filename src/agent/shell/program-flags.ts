import { parseArgs } from "node:util";

import type { LogLevel } from "../effect.ts";

export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "fatal"];

/** A flag: the environment variable beside it, and what it is. */
export type FlagFacts = { readonly variable: string; readonly text?: string };

/** Reads one flag; each throws what the program refuses with, naming flag, variable and value. */
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
 * @param refusal makes the error out of what is wrong and what it means
 * @param meaning what a refusal means, a sentence
 */
export function readFlags<Flag extends string>(
  flags: Readonly<Record<Flag, FlagFacts>>,
  defaults: Readonly<Partial<Record<Flag, string>>>,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  refusal: (message: string) => Error,
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
      throw refusal(error instanceof Error ? error.message : String(error));
    }
  }

  function value(flag: Flag): string {
    return given[flag] ?? environment[flags[flag].variable] ?? defaults[flag] ?? "";
  }

  function required(flag: Flag): string {
    const found = value(flag);
    if (found === "") {
      const { variable, text } = flags[flag];
      const what = text === undefined ? "" : `: ${text}`;
      throw refusal(`Cannot start as neither --${flag} nor ${variable} is set${what}. ${meaning}`);
    }
    return found;
  }

  function wanted(flag: Flag, what: string): Error {
    return refusal(
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
