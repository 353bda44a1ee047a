/** Some commands, and the trace that they leave together. */
export type ScenarioBlock = { readonly commands: readonly string[]; readonly trace: string };

/**
 * A scenario a person can read: prose in lines that start with `#`, the first of which is the title,
 * and blocks of commands with the trace they left between `----` and the next empty line.
 */
export type Scenario = {
  readonly title: string;
  readonly parts: readonly (string | ScenarioBlock)[];
};

/** @throws Error on anything that is neither prose nor a block */
export function parseScenario(text: string): Scenario {
  const parts: (string | ScenarioBlock)[] = [];
  const paragraphs = text.trimEnd().split(/\n\n+/);
  for (const paragraph of paragraphs) {
    const lines = paragraph.split("\n");
    if (lines.every((line) => line.startsWith("#"))) {
      parts.push(paragraph);
      continue;
    }
    const end = lines.indexOf("----");
    const commands = end === -1 ? lines : lines.slice(0, end);
    const stray = commands.find(
      (line) => line.startsWith("#") || line.trim() !== line || line === "",
    );
    if (stray !== undefined) throw new Error(`Stray text in a scenario: ${stray}`);
    parts.push({ commands, trace: end === -1 ? "" : lines.slice(end + 1).join("\n") });
  }
  const [title] = parts;
  if (typeof title !== "string" || !title.startsWith("# ")) {
    throw new Error("A scenario starts with its title: '# …'");
  }
  return { title: (title.split("\n")[0] ?? "").slice(2), parts };
}

export function formatScenario({ parts }: Scenario): string {
  const paragraphs = parts.map((part) =>
    typeof part === "string"
      ? part
      : [...part.commands, ...(part.trace === "" ? [] : ["----", part.trace])].join("\n"),
  );
  return `${paragraphs.join("\n\n")}\n`;
}

/** Words and `name=value` pairs of one command line. */
export class CommandWords {
  readonly line: string;
  #words: string[];

  constructor(line: string) {
    this.line = line;
    this.#words = line.split(" ");
  }

  /** The next word, which must be there. */
  word(what: string): string {
    const word = this.#words.shift();
    if (word === undefined) throw this.bad(`${what} is missing`);
    return word;
  }

  /** Whether a word stands anywhere; it is taken out. */
  flag(name: string): boolean {
    const at = this.#words.indexOf(name);
    if (at === -1) return false;
    this.#words.splice(at, 1);
    return true;
  }

  /** What follows `name=`, or null; it is taken out. */
  option(name: string): string | null {
    const at = this.#words.findIndex((word) => word.startsWith(`${name}=`));
    if (at === -1) return null;
    const [word = ""] = this.#words.splice(at, 1);
    return word.slice(name.length + 1);
  }

  number(name: string, otherwise: number): number {
    const text = this.option(name);
    return text === null ? otherwise : this.toNumber(text);
  }

  /** Seconds in the text, ms in the program. */
  secondsMs(what: string): number {
    return Math.round(this.toNumber(this.word(what)) * 1_000);
  }

  rest(): string {
    return this.#words.splice(0).join(" ");
  }

  /** @throws Error when something was not understood */
  end(): void {
    if (this.#words.length > 0) throw this.bad(`does not know '${this.#words.join(" ")}'`);
  }

  toNumber(text: string): number {
    const value = Number(text);
    if (text === "" || !Number.isFinite(value)) throw this.bad(`'${text}' is no number`);
    return value;
  }

  bad(why: string): Error {
    return new Error(`'${this.line}': ${why}`);
  }
}
