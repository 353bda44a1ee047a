/**
 * A scenario as a person reads it: a title, prose, then commands, and under each command the trace
 * that it left.
 *
 *     # A title
 *
 *     Prose: whose data would have been lost.
 *
 *     > fencer F T=30 W=15
 *     > until 3
 *       0.110 F writes epoch 1 to A for R1
 *
 * Between commands there may be blank lines and comments that start with `# `, and nothing else.
 */
export type ScenarioFile = {
  readonly title: string;
  /** Every line before the first command, as it stands. */
  readonly head: readonly string[];
  readonly parts: readonly ScenarioPart[];
};

export type ScenarioPart =
  | {
      readonly kind: "command";
      /** Without the leading `> `. */
      readonly text: string;
      readonly line: number;
      /** Without the two leading blanks. */
      readonly trace: readonly string[];
    }
  /** A blank line or a comment. */
  | { readonly kind: "aside"; readonly text: string };

/** @throws Error for a file without title, prose or command, and for text that is none of the four. */
export function parseScenario(text: string): ScenarioFile {
  const lines = text.replace(/\n$/, "").split("\n");
  const first = lines.findIndex((line) => line.startsWith("> "));
  const head = first === -1 ? lines : lines.slice(0, first);
  const [title = "", ...prose] = head;
  if (first === -1 || !title.startsWith("# ")) {
    throw new Error("A scenario starts with '# Title' and has at least one '> command'");
  }
  if (prose.every((line) => line.trim() === "")) {
    throw new Error("A scenario says in prose, before its first command, what is at stake");
  }
  const parts: ScenarioPart[] = [];
  for (const [index, line] of lines.slice(first).entries()) {
    const number = first + index + 1;
    if (line.startsWith("> ")) {
      parts.push({ kind: "command", text: line.slice(2), line: number, trace: [] });
    } else if (line.startsWith("  ")) {
      const last = parts.pop();
      if (last?.kind !== "command") {
        throw new Error(`Line ${number} is a trace without a command right above it: ${line}`);
      }
      parts.push({ ...last, trace: [...last.trace, line.slice(2)] });
    } else if (line === "" || line.startsWith("# ")) {
      parts.push({ kind: "aside", text: line });
    } else {
      throw new Error(`Line ${number} is neither command, trace, comment nor blank: ${line}`);
    }
  }
  return { title: title.slice(2), head, parts };
}

export function renderScenario({ head, parts }: ScenarioFile): string {
  const lines = parts.flatMap((part) =>
    part.kind === "command"
      ? [`> ${part.text}`, ...part.trace.map((line) => `  ${line}`)]
      : [part.text],
  );
  return `${[...head, ...lines].join("\n")}\n`;
}
