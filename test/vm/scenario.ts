import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bounded } from "./bounded.ts";
import { Cluster } from "./cluster.ts";
import type { ClusterParts } from "./cluster.ts";
import { monoMs } from "./monotonic.ts";

/** What a time must not leave, and by what reasoning. Milliseconds. */
export type Bound = {
  readonly fromMs?: number;
  readonly toMs?: number;
  /** The sum as a person would do it: `T + 2W = 14 s, + 1.5 s for emulation`. */
  readonly why: string;
};

/** A time that a scenario took note of, in milliseconds, and what it was held against. */
export type Measured = {
  readonly what: string;
  readonly ms: number;
  readonly bound?: Bound;
};

/** What a scenario says while it plays. */
export type Play = {
  /** Keeps a time. Throws when it is out of its bound. */
  readonly measure: (what: string, ms: number, bound?: Bound) => void;
  /** A line of the timeline that a person may follow; `atMs` is when it happened. */
  readonly tell: (line: string, atMs?: number) => void;
  /** Keeps a sentence about what was found that no number tells. */
  readonly find: (sentence: string) => void;
};

/** A course of events on a cluster of its own, whose disks are blank and which has no guests yet. */
export type Scenario = {
  /** May be shared by parts that need a cluster each. */
  readonly number: number;
  /** A sentence about behaviour. */
  readonly name: string;
  /** Starts its guests and plays; throws when what it expects does not come. */
  readonly run: (cluster: Cluster, play: Play) => Promise<void>;
};

/** What came of a scenario. */
export type ScenarioResult = {
  readonly number: number;
  readonly name: string;
  readonly verdict: "passed" | "failed" | "not run";
  readonly tookMs: number;
  readonly measured: readonly Measured[];
  readonly findings: readonly string[];
  /** Why it failed or did not run. */
  readonly reason: string | undefined;
  /** Folder with consoles and images of a failed one. */
  readonly kept: string | undefined;
};

/** Where scenarios play, and where failed ones leave what they leave. */
export type Stage = {
  /** Which of the run's scenarios this is, counted from 1. */
  readonly place: number;
  readonly parts: ClusterParts;
  readonly workFolder: string;
  readonly keepFolder: string;
  /** Told of each cluster while it exists, so that an interrupted run can end it. */
  readonly current: (cluster: Cluster | undefined) => void;
  /** Shown every line of the timeline. */
  readonly show: (line: string) => void;
};

/** Plays one scenario to its end, or to the bound, and stops its guests either way. */
export async function playScenario(
  scenario: Scenario,
  stage: Stage,
  boundMs: number,
): Promise<ScenarioResult> {
  const startedMs = monoMs();
  const folder = join(stage.workFolder, String(stage.place));
  const cluster = new Cluster(stage.parts, folder);
  stage.current(cluster);
  let reason: string | undefined;
  const { play, measured, findings, timeline } = measuring(startedMs, stage.show);
  try {
    const course = scenario.run(cluster, play);
    await bounded(course, boundMs, `the end of scenario ${scenario.number}`);
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  await cluster.stop();
  writeFileSync(join(folder, "timeline.log"), timeline.map((line) => `${line}\n`).join(""));
  stage.current(undefined);
  const keep = join(stage.keepFolder, `${scenario.number}-${stage.place}`);
  rmSync(keep, { recursive: true, force: true });
  let kept: string | undefined;
  if (reason !== undefined) {
    kept = keep;
    cpSync(folder, kept, { recursive: true, filter: (from) => !from.endsWith(".sock") });
  }
  rmSync(folder, { recursive: true, force: true });
  return {
    number: scenario.number,
    name: scenario.name,
    verdict: reason === undefined ? "passed" : "failed",
    tookMs: Math.round(monoMs() - startedMs),
    measured,
    findings,
    reason,
    kept,
  };
}

/** A play that keeps what it is told, and shows each line of the timeline as it comes. */
export function measuring(
  startedMs: number,
  show: (line: string) => void,
): {
  readonly play: Play;
  readonly measured: readonly Measured[];
  readonly findings: readonly string[];
  readonly timeline: readonly string[];
} {
  const measured: Measured[] = [];
  const findings: string[] = [];
  const timeline: string[] = [];
  const play: Play = {
    measure(what, exactMs, bound) {
      const ms = Math.round(exactMs);
      measured.push({ what, ms, ...(bound === undefined ? {} : { bound }) });
      requireWithin(what, ms, bound);
    },
    tell(text, atMs = monoMs()) {
      const line = `${((atMs - startedMs) / 1000).toFixed(2).padStart(8)} s  ${text}`;
      timeline.push(line);
      show(line);
    },
    find: (sentence) => findings.push(sentence),
  };
  return { play, measured, findings, timeline };
}

function requireWithin(what: string, ms: number, bound: Bound | undefined): void {
  const { fromMs = -Infinity, toMs = Infinity, why = "" } = bound ?? {};
  if (ms >= fromMs && ms <= toMs) return;
  throw new Error(`Out of bound: ${what}: ${ms} ms, and ${why} asks for ${rangeOf(fromMs, toMs)}.`);
}

function rangeOf(fromMs: number, toMs: number): string {
  if (fromMs === -Infinity) return `at most ${toMs} ms`;
  return toMs === Infinity ? `at least ${fromMs} ms` : `${fromMs} to ${toMs} ms`;
}

function boundText({ fromMs = -Infinity, toMs = Infinity, why }: Bound): string {
  return ` (${rangeOf(fromMs, toMs)}: ${why})`;
}

/** Every result as lines for people: a scenario, and indented below it what it measured. */
export function resultTable(results: readonly ScenarioResult[]): string {
  const rows = results.flatMap((result) => [
    [
      String(result.number).padStart(3),
      result.verdict.padEnd(7),
      `${(result.tookMs / 1000).toFixed(1)} s`.padStart(8),
      result.name,
    ].join("  "),
    ...result.measured.map(
      ({ what, ms, bound }) =>
        `${`${ms} ms`.padStart(33)}  ${what}${bound === undefined ? "" : boundText(bound)}`,
    ),
    ...result.findings.map((sentence) => `     found: ${sentence}`),
    ...(result.reason === undefined ? [] : [`     ${result.reason.replaceAll("\n", "\n     ")}`]),
    ...(result.kept === undefined ? [] : [`     consoles and images: ${result.kept}`]),
  ]);
  return rows.join("\n");
}
