/** What `make` passes by environment, and `--quick`. */
export type RunOptions = {
  /** Null: as many as fit into `cpuMs`. */
  readonly seeds: number | null;
  readonly seedStart: number;
  /** One schedule, with its trace; null = many. */
  readonly replay: number | null;
  /** Stop after so many simulated node-hours; null = do not. */
  readonly nodeHours: number | null;
  readonly nodes: number | null;
  readonly cpuMs: number;
};

const CPU_MS = 120_000;
const CPU_MS_QUICK = 20_000;

/** @throws Error where a value is not a whole number */
export function readRunOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): RunOptions {
  for (const word of argv) {
    if (word !== "--quick") {
      throw new Error(
        `'${word}' is no option: the simulator takes --quick and SEEDS, SEED_START, SEED, HOURS, NODES by environment`,
      );
    }
  }
  const hours = whole(env, "HOURS");
  const nodes = whole(env, "NODES");
  if (nodes !== null && (nodes < 2 || nodes > 10)) {
    throw new Error(`NODES is ${nodes}: the simulator takes 2 to 10`);
  }
  const seeds = whole(env, "SEEDS");
  return {
    seeds,
    seedStart: whole(env, "SEED_START") ?? 1,
    replay: whole(env, "SEED"),
    nodeHours: hours,
    nodes,
    cpuMs:
      seeds !== null || hours !== null
        ? Infinity
        : argv.includes("--quick")
          ? CPU_MS_QUICK
          : CPU_MS,
  };
}

function whole(env: Readonly<Record<string, string | undefined>>, name: string): number | null {
  const text = env[name];
  if (text === undefined || text === "") {
    return null;
  }
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new Error(`${name} is '${text}': expected a whole number`);
  }
  return value;
}
