import { parseFault } from "./fault.ts";
import type { InvariantCode } from "./invariants.ts";
import type { Schedule } from "./schedule.ts";
import { simulate } from "./simulate.ts";

/** One run that a reader should see: title, prose, settings, faults, and the trace they lead to. */
export type GoldenFile = {
  /** The text above the line of dashes, as it stands. */
  readonly head: string;
  readonly schedule: Schedule;
  /** `holds`, or the invariant that these faults break. */
  readonly expect: "holds" | InvariantCode;
  /** What the faults must have hit: parts of lines of the trace, in this order, from the first fault on. */
  readonly hits: readonly string[];
  readonly trace: string;
};

const RULE = "----\n";
const MS = 1_000;

/**
 * Lines that begin with `#` are for the reader; `set T=10 W=5 …`, `expect holds|S1|…`, `expect trace TEXT` and faults as
 * `printFault` writes them make the run. A fault that misses what it was aimed at shows nothing, so a file with
 * faults says by `expect trace` what its trace must tell once they have struck.
 *
 * @throws Error where a line is none of these
 */
export function readGolden(text: string): GoldenFile {
  const [head = "", trace = ""] = text.split(RULE);
  let schedule = settings("");
  let expect: GoldenFile["expect"] | null = null;
  const hits: string[] = [];
  const faults = [];
  for (const line of head.split("\n")) {
    const [word = "", ...rest] = line.trim().split(/\s+/);
    if (word === "set") {
      schedule = settings(rest.join(" "));
    } else if (word === "expect" && rest[0] === "trace") {
      hits.push(line.trim().replace(/^expect\s+trace\s+/, ""));
    } else if (word === "expect") {
      expect = rest[0] as GoldenFile["expect"];
    } else if (word !== "" && word !== "#") {
      faults.push(parseFault(line));
    }
  }
  if (expect === null) {
    throw new Error("A golden file says what it expects: 'expect holds' or 'expect S1'");
  }
  if (faults.length > 0 && hits.length === 0) {
    throw new Error("A golden file with faults says what they hit: 'expect trace TEXT'");
  }
  return { head, schedule: { ...schedule, faults }, expect, hits, trace };
}

/** Runs the file's faults. @returns what its trace should be, and what came of them */
export function runGolden({ schedule, hits }: GoldenFile): {
  readonly trace: string;
  readonly outcome: GoldenFile["expect"];
  /** The first of `hits` that the trace does not tell in its place; null = it tells them all. */
  readonly missed: string | null;
} {
  const lines: string[] = [];
  const { violation } = simulate(schedule, (line) => lines.push(line));
  return {
    trace: `${lines.join("\n")}\n`,
    outcome: violation?.code ?? "holds",
    missed: firstMissed(lines, hits),
  };
}

function firstMissed(lines: readonly string[], hits: readonly string[]): string | null {
  let from = lines.findIndex((line) => line.includes("  FAULT ")) + 1;
  for (const hit of hits) {
    const at = lines.findIndex((line, index) => index >= from && line.includes(hit));
    if (at === -1) {
      return hit;
    }
    from = at + 1;
  }
  return null;
}

export function writeGolden({ head }: GoldenFile, trace: string): string {
  return `${head}${RULE}${trace}`;
}

function settings(text: string): Schedule {
  const values = new Map(
    text
      .split(/\s+/)
      .filter((word) => word !== "")
      .map((word): [string, string] => {
        const [key = "", value = ""] = word.split("=");
        return [key, value];
      }),
  );
  const take = (key: string, usual: number): number => {
    const value = Number(values.get(key) ?? usual);
    values.delete(key);
    return value;
  };
  const asked = <Part>(key: string, read: (text: string) => Part): Part | Record<string, never> => {
    const text = values.get(key);
    values.delete(key);
    return text === undefined ? {} : read(text);
  };
  const schedule: Schedule = {
    seed: take("seed", 1),
    nodes: take("nodes", 3),
    timeoutMs: take("T", 10) * MS,
    watchdogMs: take("W", 5) * MS,
    onStorageLoss: values.get("survive") === "api" ? "SurviveWithApi" : "SelfFence",
    misconfigured: {
      ...asked("asked-T", (text) => ({ timeoutMs: Number(text) * MS })),
      ...asked("asked-W", (text) => ({ watchdogMs: Number(text) * MS })),
      ...asked("asked-survive", (text) => ({
        onStorageLoss: text === "api" ? "SurviveWithApi" : "SelfFence",
      })),
    },
    pausableNodes: values.get("pausable") === "refuse" ? "Refuse" : "Accept",
    startupTaint: values.get("startup") === "taint",
    passMs: take("pass", 1) * MS,
    twoLeaders: take("leaders", 1) === 2,
    hardware: "plain",
    stormMs: take("until", 300) * MS,
    calmMs: take("calm", 60) * MS,
    promise: "rough",
    faults: [],
  };
  values.delete("survive");
  values.delete("pausable");
  values.delete("startup");
  if (values.size > 0) {
    throw new Error(`'set' does not know ${[...values.keys()].join(", ")}`);
  }
  return schedule;
}
