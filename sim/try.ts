import { generateSchedule } from "./generate-schedule.ts";
import { simulate } from "./simulate.ts";
import { Coverage } from "./coverage.ts";
const [from, count] = [Number(process.argv[2]), Number(process.argv[3])];
const show = process.argv[4] === "trace";
const total = new Coverage();
let hours = 0,
  events = 0,
  bad = 0;
const t0 = process.cpuUsage();
for (let seed = from; seed < from + count; seed++) {
  const s = generateSchedule(seed, {});
  try {
    const r = simulate(s, show ? (l) => console.log(l) : undefined);
    hours += (r.simulatedMs / 3600e3) * s.nodes;
    events += r.events;
    total.add(r.coverage);
    if (r.violation) {
      bad++;
      console.log(
        seed,
        s.promise,
        s.timeoutMs,
        s.watchdogMs,
        s.onStorageLoss,
        s.faults.length,
        r.violation.code,
        Math.round(r.violation.atMs / 1000),
        r.violation.detail,
      );
    }
  } catch (e) {
    bad++;
    console.log(seed, s.promise, "THROWS", (e as Error).stack?.split("\n").slice(0, 4).join(" | "));
  }
}
const cpu = process.cpuUsage(t0);
const min = (cpu.user + cpu.system) / 60e6;
console.log({
  hours: Math.round(hours),
  events,
  cpuS: min * 60,
  perCpuMin: Math.round(hours / min),
  bad,
});
if (!show) for (const [k, v] of [...total.counts].sort()) console.log(k, v);
