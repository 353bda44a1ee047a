import type { Coverage } from "./coverage.ts";
import { FAULT_KINDS, FAULTS, printFault } from "./fault.ts";
import type { Violation } from "./invariants.ts";
import type { Schedule } from "./schedule.ts";
import { simulate } from "./simulate.ts";

/** What many runs came to. */
export type Totals = {
  schedules: number;
  nodeHours: number;
  events: number;
  cpuMs: number;
  readonly coverage: Coverage;
};

export function describeSchedule(schedule: Schedule): string {
  const { seed, nodes, timeoutMs, watchdogMs, onStorageLoss, promise, twoLeaders, passMs } =
    schedule;
  return (
    `seed ${seed}: ${promise}, ${nodes} nodes, T = ${timeoutMs / 1_000} s, W = ${watchdogMs / 1_000} s, ` +
    `${onStorageLoss}, a pass each ${passMs / 1_000} s, ${twoLeaders ? "two leaders" : "one leader"}`
  );
}

/** The seed, the shrunk list of faults and the trace: all that is needed to understand a failure. */
export function describeFailure(
  schedule: Schedule,
  shrunk: Schedule,
  violation: Violation,
): string {
  const lines: string[] = [];
  simulate(shrunk, (line) => lines.push(line));
  return [
    `${violation.code} at ${(violation.atMs / 1_000).toFixed(3)} s: ${violation.detail}`,
    describeSchedule(schedule),
    `${shrunk.faults.length} of ${schedule.faults.length} faults suffice:`,
    ...shrunk.faults.map((fault) => `  ${printFault(fault)}`),
    "trace:",
    ...lines,
  ].join("\n");
}

/** Of runs of which none broke an invariant. */
export function describeTotals(totals: Totals): string {
  const { schedules, nodeHours, events, cpuMs, coverage } = totals;
  const perCpuMinute = Math.round((nodeHours / cpuMs) * 60_000);
  return [
    `${schedules} schedules, 0 violations, ${Math.round(nodeHours)} simulated node-hours, ${events} events in ` +
      `${(cpuMs / 1_000).toFixed(1)} s of CPU: ${perCpuMinute} node-hours per CPU-minute`,
    `faults: ${faultCounts(coverage)}`,
    ...groups(coverage).map(([group, members]) => `${group}: ${members.join(", ")}`),
  ].join("\n");
}

function faultCounts(coverage: Coverage): string {
  const inside = FAULT_KINDS.filter((kind) => FAULTS[kind].scope === "inside");
  return inside.map((kind) => `${kind} ${coverage.counts.get(`fault: ${kind}`) ?? 0}`).join(", ");
}

function groups(coverage: Coverage): [string, string[]][] {
  const byGroup = new Map<string, string[]>();
  for (const [what, times] of [...coverage.counts].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const [group = "", member = ""] = what.split(": ");
    if (group !== "fault") {
      byGroup.set(group, [...(byGroup.get(group) ?? []), `${member} ${times}`]);
    }
  }
  return [...byGroup];
}
