/** The words of one command, taken one by one; what nobody took is an error. */
export type CommandLine = {
  readonly name: string;
  /** The next word that is neither a flag nor `key=value`. */
  word(what: string): string;
  optionalWord(): string | null;
  /** Seconds, as whole ms. */
  seconds(what: string): number;
  value(key: string): string | null;
  /** Of `key=`, seconds as whole ms. */
  secondsOf(key: string): number | null;
  numberOf(key: string): number | null;
  /** Of `key=2,3`. */
  numbersOf(key: string): readonly number[] | null;
  flag(name: string): boolean;
  /** @throws Error where words are left over. */
  finish(): void;
};

export function commandLine(text: string): CommandLine {
  const [name = "", ...rest] = text.split(" ").filter((word) => word !== "");
  const words = rest.filter((word) => !word.includes("="));
  const values = new Map(
    rest
      .filter((word) => word.includes("="))
      .map((word): [string, string] => {
        const at = word.indexOf("=");
        return [word.slice(0, at), word.slice(at + 1)];
      }),
  );

  function optionalWord(): string | null {
    return words.shift() ?? null;
  }
  function word(what: string): string {
    const next = optionalWord();
    if (next === null) {
      throw new Error(`'${text}' lacks ${what}`);
    }
    return next;
  }
  function value(key: string): string | null {
    const found = values.get(key) ?? null;
    values.delete(key);
    return found;
  }
  function numberOf(key: string): number | null {
    const found = value(key);
    return found === null ? null : toNumber(found, text);
  }

  return {
    name,
    word,
    optionalWord,
    seconds: (what) => Math.round(toNumber(word(what), text) * 1_000),
    value,
    numberOf,
    secondsOf(key) {
      const found = numberOf(key);
      return found === null ? null : Math.round(found * 1_000);
    },
    numbersOf(key) {
      const found = value(key);
      return found === null ? null : found.split(",").map((part) => toNumber(part, text));
    },
    flag(wanted) {
      const at = words.indexOf(wanted);
      if (at === -1) {
        return false;
      }
      words.splice(at, 1);
      return true;
    },
    finish() {
      const left = [...words, ...values.keys()];
      if (left.length > 0) {
        throw new Error(`'${text}' has words that it does not know: ${left.join(" ")}`);
      }
    },
  };
}

function toNumber(word: string, text: string): number {
  const number = Number(word);
  if (word === "" || !Number.isFinite(number)) {
    throw new Error(`'${text}' has '${word}' where a number belongs`);
  }
  return number;
}
