import { Coverage } from "./coverage.ts";
import { generateSchedule } from "./generate-schedule.ts";
import { describeFailure, describeSchedule, describeTotals, type Totals } from "./report.ts";
import { readRunOptions, type RunOptions } from "./run-options.ts";
import { shrinkSchedule } from "./shrink.ts";
import { simulate } from "./simulate.ts";

function main(): void {
  const options = readRunOptions(process.argv.slice(2), process.env);
  const failed = options.replay === null ? runMany(options) : replay(options.replay, options);
  process.exitCode = failed ? 1 : 0;
}

/** One schedule with its whole trace; shrunk only where it fails. */
function replay(seed: number, options: RunOptions): boolean {
  const schedule = generateSchedule(seed, wishesOf(options));
  console.log(describeSchedule(schedule));
  const { violation } = simulate(schedule, (line) => console.log(line));
  if (violation !== null) {
    console.log(describeFailure(schedule, shrinkSchedule(schedule, violation.code), violation));
  }
  return violation !== null;
}

function runMany(options: RunOptions): boolean {
  const totals: Totals = {
    schedules: 0,
    nodeHours: 0,
    events: 0,
    cpuMs: 0,
    coverage: new Coverage(),
  };
  const started = process.cpuUsage();
  const wanted = (): boolean =>
    totals.schedules < (options.seeds ?? Infinity) &&
    totals.nodeHours < (options.nodeHours ?? Infinity) &&
    totals.cpuMs < options.cpuMs;
  for (let seed = options.seedStart; wanted(); seed += 1) {
    const schedule = generateSchedule(seed, wishesOf(options));
    const { violation, simulatedMs, events, coverage } = simulate(schedule);
    totals.schedules += 1;
    totals.nodeHours += (simulatedMs / 3_600_000) * schedule.nodes;
    totals.events += events;
    totals.coverage.add(coverage);
    const { user, system } = process.cpuUsage(started);
    totals.cpuMs = (user + system) / 1_000;
    if (violation !== null) {
      console.log(describeFailure(schedule, shrinkSchedule(schedule, violation.code), violation));
      console.log(`replay with: SEED=${seed} node sim/main.ts`);
      return true;
    }
  }
  console.log(describeTotals(totals));
  return false;
}

function wishesOf({ nodes }: RunOptions): { readonly nodes?: number } {
  return nodes === null ? {} : { nodes };
}

main();
