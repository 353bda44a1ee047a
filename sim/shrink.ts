import type { InvariantCode } from "./invariants.ts";
import type { Schedule } from "./schedule.ts";
import { simulate } from "./simulate.ts";

const ATTEMPTS_MAX = 400;

/**
 * The same violation with as few faults as can be, by delta debugging over the list; then with each
 * remaining fault as short as can be.
 */
export function shrinkSchedule(schedule: Schedule, code: InvariantCode): Schedule {
  let attempts = 0;
  const fails = (candidate: Schedule): boolean => {
    attempts += 1;
    return attempts <= ATTEMPTS_MAX && simulate(candidate).violation?.code === code;
  };
  let best = schedule;
  let parts = 2;
  while (best.faults.length > 0 && parts <= best.faults.length) {
    const without = dropPart(best, parts, fails);
    if (without === null) {
      parts *= 2;
    } else {
      best = without;
      parts = Math.max(2, parts - 1);
    }
  }
  for (const fault of best.faults) {
    const faults = best.faults.filter((other) => other !== fault);
    if (fails({ ...best, faults })) {
      best = { ...best, faults };
    }
  }
  return shorten(best, fails);
}

function dropPart(
  schedule: Schedule,
  parts: number,
  fails: (candidate: Schedule) => boolean,
): Schedule | null {
  const { faults } = schedule;
  const size = Math.ceil(faults.length / parts);
  for (let start = 0; start < faults.length; start += size) {
    const left = [...faults.slice(0, start), ...faults.slice(start + size)];
    const candidate = { ...schedule, faults: left };
    if (left.length < faults.length && fails(candidate)) {
      return candidate;
    }
  }
  return null;
}

function shorten(schedule: Schedule, fails: (candidate: Schedule) => boolean): Schedule {
  const faults = [...schedule.faults];
  for (const [index, fault] of schedule.faults.entries()) {
    const shorter = [0.25, 0.5, 0.75]
      .map((share) => ({ ...fault, forMs: Math.round(fault.forMs * share) }))
      .find(
        (candidate) =>
          fault.forMs > 0 && fails({ ...schedule, faults: faults.with(index, candidate) }),
      );
    faults[index] = shorter ?? fault;
  }
  return { ...schedule, faults };
}
