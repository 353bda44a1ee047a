import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bounded } from "./bounded.ts";
import { Cluster } from "./cluster.ts";
import type { ClusterParts } from "./cluster.ts";
import { monoMs } from "./monotonic.ts";

/** A time that a scenario took note of, in milliseconds. */
export type Measured = { readonly what: string; readonly ms: number };

/** A course of events on a cluster of its own, whose disks are blank and which has no guests yet. */
export type Scenario = {
  readonly number: number;
  /** A sentence about behaviour. */
  readonly name: string;
  /** Starts its guests and plays; throws when what it expects does not come. */
  readonly run: (cluster: Cluster, measure: (what: string, ms: number) => void) => Promise<void>;
};

/** What came of a scenario. */
export type ScenarioResult = {
  readonly number: number;
  readonly name: string;
  readonly verdict: "passed" | "failed" | "not run";
  readonly tookMs: number;
  readonly measured: readonly Measured[];
  /** Why it failed or did not run. */
  readonly reason: string | undefined;
  /** Folder with consoles and images of a failed one. */
  readonly kept: string | undefined;
};

/** Where scenarios play, and where failed ones leave what they leave. */
export type Stage = {
  readonly parts: ClusterParts;
  readonly workFolder: string;
  readonly keepFolder: string;
  /** Told of each cluster while it exists, so that an interrupted run can end it. */
  readonly current: (cluster: Cluster | undefined) => void;
};

/** Plays one scenario to its end, or to the bound, and stops its guests either way. */
export async function playScenario(
  scenario: Scenario,
  stage: Stage,
  boundMs: number,
): Promise<ScenarioResult> {
  const measured: Measured[] = [];
  const startedMs = monoMs();
  const folder = join(stage.workFolder, String(scenario.number));
  const cluster = new Cluster(stage.parts, folder);
  stage.current(cluster);
  let reason: string | undefined;
  try {
    const play = scenario.run(cluster, (what, ms) => {
      measured.push({ what, ms: Math.round(ms) });
    });
    await bounded(play, boundMs, `the end of scenario ${scenario.number}`);
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  await cluster.stop();
  stage.current(undefined);
  const keep = join(stage.keepFolder, String(scenario.number));
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
    reason,
    kept,
  };
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
    ...result.measured.map(({ what, ms }) => `${`${ms} ms`.padStart(33)}  ${what}`),
    ...(result.reason === undefined ? [] : [`     ${result.reason.replaceAll("\n", "\n     ")}`]),
    ...(result.kept === undefined ? [] : [`     consoles and images: ${result.kept}`]),
  ]);
  return rows.join("\n");
}
