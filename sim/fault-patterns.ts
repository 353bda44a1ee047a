import { deriveTiming } from "../src/timing/contract.ts";
import type { Fault, FaultKind } from "./fault.ts";
import type { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";

/**
 * Faults that are dangerous together and would rarely meet by chance. Instants are relative to the
 * burst they belong to, lengths in the rhythm of the contract.
 *
 * - `last-gasp`       ordered dead just as its storage goes; its process is stopped near the deadline
 *                     and killed just before the watchdog fires: lives as long as a node can
 * - `crash-loop`      ordered dead without storage, and its agent dies and starts again and again
 * - `slow-return`     reboots before it is ordered dead, and beats on a slow path
 * - `lost-heartbeat`  reboots just before the message; a heartbeat is lost, the next one slow
 * - `dumb-reboot`     reboots before it is ordered dead, and its agent does not come back
 * - `true-word`       reboots before it is ordered dead, its agent is late, and an administrator says,
 *                     truly, that the boot before is off
 * - `started-twice`   its hypervisor starts it again while it runs on in the dark, and somebody wants it dead
 * - `leave-in-haste`  a rollout reaches it without storage, and somebody wants it dead
 * - `leave-unheard`   its `leaving` is lost, its next agent late, and somebody wants it dead
 * - `two-requests`    one request is deleted while another waits by a message not read yet
 * - `stale-clear`     the clearing for one request lands late, when another waits by its message
 * - `blind-fencer`    so, and whoever waits by it cannot read the device meanwhile
 * - `isolated-return` dies for want of storage, comes back without network, and gets that back after M
 * - `isolated-at-m`   reboots into a boot without storage or network, is ordered dead, and gets its network
 *                     back just as M is over
 * - `unheard-order`   messages to it are lost, torn or late, and then its storage goes
 * - `slow-pass`       a pass that takes almost T, and then its storage goes
 * - `overwritten`     ordered dead in the middle of a slow pass, and then its storage goes
 * - `split-alone`     writes into a cache from a start on that has seen nobody move (outside the claim,
 *                     and caught all the same)
 * - `stubborn`        ordered dead, acknowledges, and only its watchdog can kill it
 * - `closing-pet`     so, and its process is killed just before the watchdog fires, which pets it
 * - `wiped-order`     its agent starts while it is to die, and its storage goes right after
 * - `lost-list`       its agent has left, a request comes and goes, and the API answers too late to clear by
 * - `late-order`      the message to it hangs on its way, and its request is deleted meanwhile
 * - `old-fencer`      the fencer loses the API, the request goes, and the node lives on
 */
export type PatternName = keyof typeof PATTERNS;

type Draw = {
  readonly random: Random;
  readonly schedule: Schedule;
  readonly victim: number;
  /** M. */
  readonly msgwaitMs: number;
};

type Step = readonly [
  atMs: number,
  kind: FaultKind,
  forMs?: number,
  detail?: number,
  node?: number,
];

const PATTERNS = {
  "last-gasp": ({ random, schedule, msgwaitMs }: Draw): Step[] => {
    const { timeoutMs, watchdogMs, passMs } = schedule;
    const lostMs = random.between(1_500, 4_000 + passMs);
    const stoppedMs = lostMs + timeoutMs * random.between(0.75, 1.01);
    return [
      [0, "request"],
      [lostMs, random.pick(["path-hang", "path-eio"] as const), msgwaitMs * 4],
      [stoppedMs, "agent-stop", watchdogMs * random.between(0.5, 1), 1],
      ...(random.chance(0.5) ? [[0, "sysrq-broken"] as Step] : []),
    ];
  },
  "crash-loop": ({ random, schedule, msgwaitMs }: Draw): Step[] => [
    [0, "sysrq-broken"],
    [0, "request"],
    [random.between(500, 5_000), "path-eio", msgwaitMs * 4],
    [
      schedule.timeoutMs * random.between(0.2, 0.9),
      "agent-kill-loop",
      msgwaitMs * 3,
      Math.round(2_500 + schedule.watchdogMs * random.between(0.02, 0.5)),
    ],
  ],
  "slow-return": ({ random, schedule, msgwaitMs }: Draw): Step[] => [
    [0, "path-slow", msgwaitMs * 3, Math.round(schedule.timeoutMs * random.between(0.1, 0.45))],
    [0, "reset"],
    [random.between(3_000, 30_000), "request"],
  ],
  "lost-heartbeat": ({ random, schedule }: Draw): Step[] => {
    const backMs = random.between(28_000, 45_000);
    const slowMs = Math.round(schedule.timeoutMs * random.between(0.1, 0.3));
    return [
      [0, "agent-away", backMs],
      [1, "reset"],
      [random.between(8_000, 26_000), "request"],
      [backMs + random.between(100, 1_000), "lost-write", 0, 1],
      [backMs + random.between(1_000, 2_000), "path-slow", 2 * slowMs, slowMs],
    ];
  },
  "dumb-reboot": ({ random, msgwaitMs }: Draw): Step[] => [
    [0, "agent-away", msgwaitMs * 3],
    [1, random.pick(["reset", "agent-kill"] as const)],
    [2, "reset"],
    [random.between(100, 30_000), "request"],
  ],
  "true-word": ({ random, schedule }: Draw): Step[] => {
    const backMs = random.between(40_000, 60_000 + schedule.timeoutMs);
    return [
      [0, "agent-away", backMs],
      [1, "reset"],
      [random.between(8_000, 35_000), "request"],
      [random.between(35_000, backMs), "confirm-true-word"],
    ];
  },
  "started-twice": ({ random, schedule }: Draw): Step[] => [
    [0, "vm-clone", random.between(1_000, 10_000 + schedule.timeoutMs * 0.5), random.whole(0, 1)],
    [random.between(-5_000, 20_000), "request"],
    ...(random.chance(0.5) ? [[0, "sysrq-broken"] as Step] : []),
  ],
  "leave-in-haste": ({ random, schedule, msgwaitMs }: Draw): Step[] => [
    [0, random.pick(["path-hang", "path-eio"] as const), msgwaitMs * 4],
    [schedule.timeoutMs * random.between(0.05, 0.8), "rollout", 30_000],
    [schedule.timeoutMs * random.between(-0.3, 0.5), "request"],
  ],
  "leave-unheard": ({ random, msgwaitMs }: Draw): Step[] => [
    [0, "lost-write", 0, 1],
    [random.between(0, 20), "rollout", 30_000],
    [random.between(100, 300), "agent-away", msgwaitMs * 3],
    [random.between(300, 5_000), "request"],
  ],
  "two-requests": ({ random, schedule, msgwaitMs }: Draw): Step[] => {
    const stallMs = Math.min(schedule.timeoutMs * 0.9, random.between(25_000, 40_000));
    return [
      [0, "agent-stall", stallMs],
      [0, "request"],
      [random.between(6_000, 14_000), "request-again"],
      [stallMs + random.between(1_000, 30_000), "path-hang", msgwaitMs * 4],
      [0, "sysrq-broken"],
    ];
  },
  "stale-clear": ({ random, schedule, victim, msgwaitMs }: Draw): Step[] => {
    const stallMs = Math.min(schedule.timeoutMs * 0.9, random.between(48_000, 60_000));
    return [
      [0, "agent-stall", stallMs],
      [0, "request"],
      [random.between(8_000, 10_000), "request-deleted"],
      ...othersThan(victim, schedule).map((node): Step => [
        10_000,
        "fence-write",
        random.between(8_000, 12_000),
        4,
        node,
      ]),
      [random.between(14_000, 24_000), "request"],
      [stallMs + random.between(1_000, 30_000), "path-hang", msgwaitMs * 4],
      [0, "sysrq-broken"],
    ];
  },
  "blind-fencer": (draw: Draw): Step[] => {
    const { random, schedule, victim, msgwaitMs } = draw;
    const blindMs = random.between(30_000, 44_000);
    return [
      ...PATTERNS["stale-clear"](draw),
      ...othersThan(victim, schedule).map((node): Step => [
        blindMs,
        "path-hang",
        msgwaitMs * 1.2,
        0,
        node,
      ]),
    ];
  },
  "isolated-at-m": ({ random, msgwaitMs }: Draw): Step[] => {
    const orderedMs = random.between(4_000, 35_000);
    const healedMs = orderedMs + msgwaitMs + random.between(-3_000, 7_000);
    return [
      [0, "path-eio", healedMs + msgwaitMs],
      [0, "network-cut", healedMs],
      [1, "reset"],
      [orderedMs, "request"],
    ];
  },
  "isolated-return": ({ random, schedule, msgwaitMs }: Draw): Step[] => {
    const orderedMs =
      schedule.timeoutMs + schedule.watchdogMs * 2 + random.between(60_000, 200_000);
    const healedMs = orderedMs + msgwaitMs + random.between(0, 40_000);
    return [
      [0, "path-eio", healedMs + msgwaitMs],
      [0, "network-cut", healedMs],
      [orderedMs, "request"],
    ];
  },
  "unheard-order": ({ random, schedule, victim, msgwaitMs }: Draw): Step[] => {
    const fate = random.whole(1, 4);
    return [
      ...othersThan(victim, schedule).map((node): Step => [
        0,
        "fence-write",
        msgwaitMs,
        fate,
        node,
      ]),
      [0, "request"],
      [msgwaitMs * random.between(0.1, 0.95), "path-hang", msgwaitMs * 3],
      [msgwaitMs * random.between(0, 0.9), "kubelet-cut", msgwaitMs * 2],
    ];
  },
  "slow-pass": ({ random, schedule, msgwaitMs }: Draw): Step[] => {
    const { timeoutMs, watchdogMs } = schedule;
    const lostMs = timeoutMs * random.between(0.9, 1.2);
    return [
      [0, "path-slow", lostMs, Math.round(timeoutMs * random.between(0.4, 0.6))],
      [lostMs, "path-hang", msgwaitMs * 3],
      [timeoutMs * random.between(0.2, 0.9), "request"],
      [lostMs + timeoutMs * random.between(0.7, 1.4), "agent-stop", watchdogMs * 0.95, 1],
      [0, "sysrq-broken"],
    ];
  },
  overwritten: ({ random, schedule, msgwaitMs }: Draw): Step[] => {
    const { timeoutMs, watchdogMs } = schedule;
    const lostMs = timeoutMs * random.between(0.8, 1.8);
    return [
      [0, "sysrq-broken"],
      [0, "path-slow", lostMs, Math.round(timeoutMs * random.between(0.05, 0.2))],
      [timeoutMs * 0.2, "request"],
      [lostMs, "path-hang", msgwaitMs * 3],
      [lostMs + timeoutMs * random.between(0.7, 1), "agent-stop", watchdogMs * 0.95, 1],
    ];
  },
  "split-alone": ({ random, schedule, msgwaitMs }: Draw): Step[] => [
    [0, "agent-cut", msgwaitMs * 3],
    [0, "wall-step", 0, -3_600_000],
    [random.between(0, 1_000), "split-at-start", 2_000 + schedule.passMs * random.between(1, 4)],
    [schedule.timeoutMs * random.between(0.3, 2), "request"],
  ],
  stubborn: ({ random, schedule }: Draw): Step[] => {
    const killedMs = random.between(4_000, 6_000 + schedule.passMs) + schedule.watchdogMs * 0.6;
    return [
      [0, "sysrq-broken"],
      [0, "request"],
      [killedMs, "agent-kill", 0, 0],
      [killedMs + schedule.watchdogMs * random.between(0.1, 0.5), "agent-kill", 0, 0],
      [killedMs + random.between(0, 1) * schedule.watchdogMs, "request-deleted"],
    ];
  },
  "closing-pet": ({ random, schedule }: Draw): Step[] => {
    const killedAfterMs = random.pick([4_500, 11_000, schedule.watchdogMs]) * random.next();
    return [
      [0, "sysrq-broken"],
      [0, "agent-kill-latched", 0, Math.round(killedAfterMs)],
      [0, "request"],
    ];
  },
  "wiped-order": ({ random, schedule, msgwaitMs }: Draw): Step[] => {
    const startMs = random.between(3_000, 6_000 + schedule.passMs);
    return [
      [0, "request"],
      [0, "agent-stall", startMs],
      [startMs, "agent-kill", 0, 0],
      [startMs + random.between(1_100, 1_100 + schedule.passMs * 6), "path-hang", msgwaitMs * 3],
      [0, "sysrq-broken"],
    ];
  },
  "lost-list": ({ random, msgwaitMs }: Draw): Step[] => {
    const deletedMs = random.between(18_000, 25_000);
    return [
      [0, "rollout", 30_000],
      [1_000, "agent-away", msgwaitMs * 3 + 60_000],
      [8_000, "request"],
      [deletedMs, "request-deleted"],
      [deletedMs + random.between(30, 1_500), "api-steady", random.between(12_000, 20_000), 12_000],
    ];
  },
  "late-order": ({ random, schedule, victim, msgwaitMs }: Draw): Step[] => {
    const hungMs = random.between(1_400, 4_000);
    return [
      [0, "request"],
      ...othersThan(victim, schedule).map((node): Step => [
        hungMs,
        "path-hang",
        msgwaitMs * random.between(1.5, 4),
        0,
        node,
      ]),
      [hungMs + random.between(1_000, 10_000), "request-deleted"],
    ];
  },
  "old-fencer": ({ random, schedule, victim, msgwaitMs }: Draw): Step[] => [
    [0, "request"],
    ...othersThan(victim, schedule).flatMap((node): Step[] => [
      [0, "fence-write", schedule.timeoutMs * random.between(0.5, 3), 3, node],
      [random.between(1_000, 5_000), "agent-cut", msgwaitMs * 2, 0, node],
    ]),
    [random.between(2_000, 20_000), "request-forced"],
  ],
} as const;

export function othersThan(victim: number, { nodes }: Schedule): number[] {
  return Array.from({ length: nodes }, (_, index) => index + 1).filter((node) => node !== victim);
}

export const PATTERN_NAMES = Object.keys(PATTERNS) as PatternName[];

/** Those whose faults are all inside the claim: what chance draws from. */
export const USUAL_PATTERNS = PATTERN_NAMES.filter((name) => name !== "split-alone");

export function drawPattern(
  name: PatternName,
  random: Random,
  schedule: Schedule,
  victim: number,
  anchorMs: number,
): Fault[] {
  const { msgwaitMs } = deriveTiming(schedule);
  return PATTERNS[name]({ random, schedule, victim, msgwaitMs }).map(
    ([atMs, kind, forMs = 0, detail = 0, node = victim]) => ({
      atMs: Math.round(anchorMs + atMs),
      kind,
      node,
      forMs: Math.round(forMs),
      detail,
    }),
  );
}
