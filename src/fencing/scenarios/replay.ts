import { commandLine } from "./command-line.ts";
import { createScenarioPlay, type ScenarioProof } from "./scenario-commands.ts";
import { parseScenario, renderScenario } from "./scenario-file.ts";

/** What became of a scenario: its text with the traces as they are now. */
export type Replay = {
  readonly title: string;
  readonly text: string;
  /** How many `expect` and `never` lines held. */
  readonly assertions: number;
  readonly proofs: readonly ScenarioProof[];
};

/**
 * Replays a scenario.
 *
 * @throws Error for stray text, an unknown command or word, and an assertion that does not hold
 */
export function replayScenario(text: string): Replay {
  const file = parseScenario(text);
  const play = createScenarioPlay();
  let assertions = 0;
  const parts = file.parts.map((part) => {
    if (part.kind === "aside") {
      return part;
    }
    const line = commandLine(part.text);
    assertions += line.name === "expect" || line.name === "never" ? 1 : 0;
    try {
      play.run(line);
    } catch (error) {
      throw new Error(`Line ${part.line}, '${part.text}': ${messageOf(error)}`, { cause: error });
    }
    return { ...part, trace: play.takeTrace() };
  });
  play.finish();
  const proofs = play.proofs();
  return { title: file.title, text: renderScenario({ ...file, parts }), assertions, proofs };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
