import { CommanderError } from "commander";

import { EXIT_CODE } from "./exit-code.ts";
import { createProgram } from "./program.ts";

/** sbdctl, with the words after its name; leaves its exit code. */
export async function runCtl(words: readonly string[]): Promise<void> {
  standClosedPipes();
  try {
    await createProgram(process.env["SBDCTL_NAME"] ?? "sbdctl").parseAsync(words, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) {
      return; // Help, or the version; commander has said it.
    }
    const isUsage = error instanceof CommanderError;
    const message = isUsage
      ? usageMessage(error)
      : `sbdctl: ${error instanceof Error ? error.message : String(error)}`;
    if (!isUsage) process.stderr.write(`${message}\n`);
    if (wantsJson(words)) {
      const code = isUsage ? "USAGE" : "UNEXPECTED";
      process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
    }
    process.exitCode = isUsage ? EXIT_CODE.usage : EXIT_CODE.failed;
  }
}

/**
 * A reader that goes away, such as `head`, is no fault. What is asked of a device or a cluster is
 * carried out all the same: only the end of standard output ends the program, as the answer is the
 * last thing that it writes.
 */
function standClosedPipes(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

/** The parser may have stopped before it came to the option. */
function wantsJson(words: readonly string[]): boolean {
  const options = words.slice(0, words.includes("--") ? words.indexOf("--") : words.length);
  return options.some(
    (word, index) =>
      word === "-ojson" ||
      word === "--output=json" ||
      ((word === "-o" || word === "--output") && options[index + 1] === "json"),
  );
}

function usageMessage({ code, message }: CommanderError): string {
  return code === "commander.help"
    ? "a command is missing; --help lists them"
    : message.replace(/^error: /, "");
}
