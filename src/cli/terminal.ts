import readline from "node:readline/promises";

import { CliError } from "./cli-error.ts";
import type { JsonObject } from "./json.ts";
import { fitScreen, screenColumns } from "./screen.ts";

/** Where a command speaks: the answer goes to standard output, everything else to standard error. */
export type Terminal = {
  readonly isJson: boolean;
  /** The answer, once, or anew while it is watched: the document with `-o json`, else the text. */
  answer(document: JsonObject, text: string): void;
  /** An answer of a form of its own, as it is. */
  print(text: string): void;
  /** A line that stays. */
  note(line: string): void;
  /**
   * How far it is. On a terminal one line that changes; else a line whenever `stage` changes, and
   * one now and then.
   */
  progress(stage: string, line: string): void;
  /**
   * Returns once a person has typed `word`.
   *
   * @throws {CliError} `NOT_CONFIRMED`: they typed something else, or there is nobody to ask
   */
  confirm(question: string, word: string): Promise<void>;
};

const QUIET_MS = 10_000;
const CLEAR_LINE = "\r\u001B[K";

export function createTerminal(output: "text" | "json"): Terminal {
  const { stdin, stdout, stderr } = process;
  let live = "";
  let lastStage = "";
  let lastLineMs = -Infinity;

  /** What stays must not be written over, nor into, the line that changes. */
  function settle(): void {
    if (live !== "") {
      stderr.write(`${CLEAR_LINE}${live}\n`);
      live = "";
    }
  }
  return {
    isJson: output === "json",
    answer(document, text) {
      settle();
      stdout.write(`${output === "json" ? JSON.stringify(document) : fitScreen(text)}\n`);
    },
    print(text) {
      settle();
      stdout.write(text);
    },
    note(line) {
      settle();
      stderr.write(`${stderr.isTTY ? fitScreen(line, screenColumns(stderr)) : line}\n`);
    },
    progress(stage, line) {
      if (stderr.isTTY) {
        if (stage !== lastStage) {
          settle();
        }
        live = line;
        stderr.write(`${CLEAR_LINE}${line.slice(0, screenColumns(stderr) - 1)}`);
      } else if (stage !== lastStage || performance.now() - lastLineMs >= QUIET_MS) {
        lastLineMs = performance.now();
        stderr.write(`${line}\n`);
      }
      lastStage = stage;
    },
    async confirm(question, word) {
      settle();
      stderr.write(`${stderr.isTTY ? fitScreen(question, screenColumns(stderr)) : question}\n`);
      if (!stdin.isTTY) {
        throw new CliError(
          "NOT_CONFIRMED",
          `Nothing was done, as there is no terminal to confirm it on. Run it on a terminal, or ` +
            `with --yes where a program has made sure of it.`,
        );
      }
      const typed = await ask(`Type '${word}' to go on, anything else to stop: `);
      if (typed !== word) {
        throw new CliError(
          "NOT_CONFIRMED",
          `Nothing was done, as '${word}' was not typed. Run the command again if you meant it.`,
        );
      }
    },
  };
}

/** What was typed; Ctrl-C ends the program and end of input is an empty answer. */
async function ask(prompt: string): Promise<string> {
  const lines = readline.createInterface({ input: process.stdin, output: process.stderr });
  lines.on("SIGINT", () => {
    lines.close();
    process.kill(process.pid, "SIGINT");
  });
  const ended = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
  try {
    return (await Promise.race([lines.question(prompt), ended])).trim();
  } finally {
    lines.close();
  }
}
