/** One true time for a whole scenario, in ms; everything happens in its order and nothing waits. */
export type Timeline = {
  nowMs(): number;
  at(atMs: number, happen: () => void): void;
  /** Lets everything happen that is due by then. */
  runUntil(untilMs: number): void;
};

/** A scenario that makes more of itself than this has run away. */
const HAPPENINGS_MAX = 200_000;

export function createTimeline(): Timeline {
  let nowMs = 0;
  let happenings = 0;
  const queue: { readonly atMs: number; readonly order: number; readonly happen: () => void }[] =
    [];

  function nextDue(untilMs: number): number {
    let best = -1;
    for (const [index, { atMs, order }] of queue.entries()) {
      const known = queue[best];
      const sooner =
        known === undefined || atMs < known.atMs || (atMs === known.atMs && order < known.order);
      if (atMs <= untilMs && sooner) {
        best = index;
      }
    }
    return best;
  }

  return {
    nowMs: () => nowMs,
    at(atMs, happen) {
      happenings += 1;
      if (happenings > HAPPENINGS_MAX) {
        throw new Error(`The scenario has run away: ${HAPPENINGS_MAX} things have happened`);
      }
      queue.push({ atMs: Math.max(atMs, nowMs), order: happenings, happen });
    },
    runUntil(untilMs) {
      if (untilMs < nowMs) {
        throw new Error(`Time runs forwards: it is ${nowMs} ms already, not ${untilMs} ms`);
      }
      for (let index = nextDue(untilMs); index !== -1; index = nextDue(untilMs)) {
        const [next] = queue.splice(index, 1);
        nowMs = next?.atMs ?? nowMs;
        next?.happen();
      }
      nowMs = untilMs;
    },
  };
}
