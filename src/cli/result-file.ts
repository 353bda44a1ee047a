import fs from "node:fs";

import { CliError } from "./cli-error.ts";
import type { JsonObject } from "./json.ts";
import type { Terminal } from "./terminal.ts";

/** What Kubernetes keeps of a termination message. */
const LENGTH_MAX = 4_096;
const TEXT_LENGTH_MAX = 3_000;

/**
 * Runs a command and leaves what came of it in a file, as one JSON object: the answer, or `{error:
 * {code, message}}` with the codes of what it refused. For a pod, whose termination message it becomes.
 */
export async function withResultFile(
  path: string | null,
  terminal: Terminal,
  command: (terminal: Terminal) => Promise<void>,
): Promise<void> {
  if (path === null) {
    await command(terminal);
    return;
  }
  try {
    await command({
      ...terminal,
      answer(document, text) {
        terminal.answer(document, text);
        write(path, document);
      },
    });
  } catch (error) {
    const known = error instanceof CliError ? error : null;
    const message = error instanceof Error ? error.message : String(error);
    const refused = (known?.document["refused"] as readonly { code: string }[] | undefined) ?? [];
    write(path, {
      refused: refused.map(({ code }) => code),
      error: { code: known?.code ?? "UNEXPECTED", message: message.slice(0, TEXT_LENGTH_MAX) },
    });
    throw error;
  }
}

function write(path: string, document: JsonObject): void {
  fs.writeFileSync(path, JSON.stringify(document).slice(0, LENGTH_MAX));
}
