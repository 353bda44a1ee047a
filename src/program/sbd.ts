/**
 * The one program of the image: `sbd agent`, `sbd operator`, `sbd fencer`, `sbd ctl`. It loads what
 * its word needs and nothing else: the agent's core process has no npm dependency.
 */
import { FlagError, flagsUsage, type Flags } from "./flags.ts";
import { VERSION } from "./version.ts";

const EXIT_USAGE = 2;

type Program = {
  /** Null: it has a help of its own. */
  readonly flags: Flags | null;
  /** @throws {FlagError} */
  readonly run: (args: readonly string[]) => void | Promise<void>;
};

type Word = { readonly text: string; readonly load: () => Promise<Program> };

const WORDS: Readonly<Record<string, Word>> = {
  agent: {
    text: "guards a node: beats on the shared device, pets its watchdog",
    async load() {
      const { AGENT_FLAGS } = await import("../agent/shell/agent-options.ts");
      const { runAgentProgram } = await import("../agent/shell/main.ts");
      return { flags: AGENT_FLAGS, run: runAgentProgram };
    },
  },
  "agent-api": {
    text: "an agent's Kubernetes traffic and /metrics; the agent starts it",
    async load() {
      const { AGENT_FLAGS } = await import("../agent/shell/agent-options.ts");
      const { runApiProcess } = await import("../agent/api/main.ts");
      return { flags: AGENT_FLAGS, run: runApiProcess };
    },
  },
  operator: {
    text: "turns SBDRemediations into fencings and proofs into releases",
    async load() {
      const { OPERATOR_FLAGS } = await import("../operator/shell/operator-options.ts");
      const { runOperatorProgram } = await import("../operator/shell/main.ts");
      return { flags: OPERATOR_FLAGS, run: runOperatorProgram };
    },
  },
  fencer: {
    text: "writes fence messages where fencerPlacement is Operator",
    async load() {
      const { FENCER_FLAGS } = await import("../fencer/fencer-options.ts");
      const { runFencerProgram } = await import("../fencer/main.ts");
      return { flags: FENCER_FLAGS, run: runFencerProgram };
    },
  },
  ctl: {
    text: "sbdctl, for people: devices, watchdogs, confirmations",
    async load() {
      const { runCtl } = await import("../cli/main.ts");
      return { flags: null, run: runCtl };
    },
  },
};

async function main(word: string | undefined, args: readonly string[]): Promise<void> {
  if (word === "version" || word === "--version") {
    console.log(`sbd ${VERSION} (Node.js ${process.version}, ${process.platform} ${process.arch})`);
    return;
  }
  if (word === "help" || word === "--help") {
    console.log(usage());
    return;
  }
  const found = word !== undefined && Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
  if (word === undefined || found === undefined) {
    const what = word === undefined ? "no word says" : `'${word}' does not say`;
    console.error(`sbd: ${what} which program is meant, so nothing was started.\n${usage()}`);
    process.exitCode = EXIT_USAGE;
    return;
  }
  const { flags, run } = await found.load();
  if (flags !== null && args.includes("--version")) {
    await main("version", []);
  } else if (flags !== null && args.includes("--help")) {
    console.log(flagsUsage(word, flags));
  } else {
    await start(word, run, args);
  }
}

async function start(word: string, run: Program["run"], args: readonly string[]): Promise<void> {
  try {
    await run(args);
  } catch (error) {
    if (!(error instanceof FlagError)) {
      throw error;
    }
    console.error(`sbd ${word}: ${error.message}`);
    process.exitCode = EXIT_USAGE;
  }
}

function usage(): string {
  const words = Object.entries(WORDS).map(([word, { text }]) => `  ${word.padEnd(10)} ${text}`);
  return [
    "usage: sbd <word> [flags]; sbd <word> --help tells the flags",
    ...words,
    `  ${"version".padEnd(10)} prints the version`,
  ].join("\n");
}

/** A checkout that was not set up, or a broken image: no stack helps there. Its module is what failed. */
function isWithoutAddon(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "NATIVE_ADDON_UNAVAILABLE";
}

try {
  await main(process.argv[2], process.argv.slice(3));
} catch (error) {
  if (!isWithoutAddon(error)) {
    throw error;
  }
  console.error(`sbd: ${error.message}`);
  process.exitCode = 1;
}
