import { apiTimeoutMs } from "../src/kube/api-timeout.ts";
import { deriveTiming } from "../src/timing/contract.ts";
import { FAULT_KINDS, FAULTS, type Fault, type FaultKind } from "./fault.ts";
import { drawPattern, othersThan, USUAL_PATTERNS, type PatternName } from "./fault-patterns.ts";
import { Random } from "./random.ts";
import type { Schedule, SchedulePromise } from "./schedule.ts";

/** What a caller may want more of than chance gives. */
export type ScheduleWishes = {
  readonly nodes?: number;
  /** Faults that are to be frequent, with weights; the ordinary weight is 1. */
  readonly weights?: Readonly<Partial<Record<FaultKind, number>>>;
  /** The one that every burst is to contain. */
  readonly pattern?: PatternName;
  readonly promise?: SchedulePromise;
  /** Agents start a pass each p, as in production, so that bounds are met to the second. */
  readonly passes?: "each-p";
  readonly hardware?: Schedule["hardware"];
  readonly onStorageLoss?: Schedule["onStorageLoss"];
  readonly startupTaint?: boolean;
  readonly misconfigured?: Schedule["misconfigured"];
  /** What is behind the node that a lone fault takes. */
  readonly past?: Past;
};

/**
 * - `slot-moved`        it has left a second slot, and its fencers start anew after it has fallen silent
 * - `registered-again`  every Node was deleted, one after the other, while its agent beat
 */
type Past = "none" | "slot-moved" | "registered-again";

const NODES = 5;
const QUIET_START_MS = 60_000;
const BOOT_MS_MAX = 180_000;

/** Kinds that take a node away for good reason; at most one of them alone is what L2 is about. */
const LONE_KINDS: readonly FaultKind[] = [
  "network-cut",
  "power-off",
  "reset",
  "path-hang",
  "path-eio",
  "os-freeze",
  "request",
  "agent-stop",
];

/** What a seed stands for: the same seed and wishes give the same schedule. */
export function generateSchedule(seed: number, wishes: ScheduleWishes): Schedule {
  const random = new Random(seed, "schedule");
  const promise: SchedulePromise =
    wishes.promise ??
    random.weighted([
      ["gentle", 15],
      ["lone", 20],
      ["rough", 65],
    ]);
  const timeoutMs = 1_000 * random.pick([6, 10, 30, 60, 60, 120, 120, 300]);
  const watchdogMs =
    1_000 * Math.max(4, Math.round((timeoutMs / 1_000) * random.pick([0.25, 0.5, 1])));
  const { msgwaitMs, passIntervalMs } = deriveTiming({ timeoutMs, watchdogMs });
  const stormMs = QUIET_START_MS + timeoutMs + msgwaitMs * random.whole(4, 12);
  const draft: Schedule = {
    seed,
    nodes: wishes.nodes ?? NODES,
    timeoutMs,
    watchdogMs,
    onStorageLoss: wishes.onStorageLoss ?? (random.chance(0.3) ? "SurviveWithApi" : "SelfFence"),
    misconfigured: wishes.misconfigured ?? misconfiguredBy(new Random(seed, "misconfigured")),
    pausableNodes: promise === "rough" && random.chance(0.05) ? "Refuse" : "Accept",
    startupTaint: wishes.startupTaint ?? new Random(seed, "startup-taint").chance(0.2),
    passMs:
      random.chance(0.1) || wishes.passes === "each-p" ? passIntervalMs : Math.round(timeoutMs / 9),
    twoLeaders: random.chance(0.3),
    hardware: wishes.hardware ?? "varied",
    stormMs,
    calmMs: 60_000 + msgwaitMs * 8 + BOOT_MS_MAX + 120_000 + msgwaitMs * 2,
    promise,
    faults: [],
  };
  const faults =
    promise === "gentle"
      ? gentleFaults(random, draft)
      : promise === "lone"
        ? loneFaults(random, draft, wishes.past ?? pastBy(new Random(seed, "past")))
        : roughFaults(random, draft, wishes);
  return { ...draft, faults: faults.toSorted((a, b) => a.atMs - b.atMs) };
}

/** Now and then the SBDConfig says something else than the device header. */
function misconfiguredBy(random: Random): Schedule["misconfigured"] {
  return random.chance(0.15)
    ? {
        ...(random.chance(0.5) ? { timeoutMs: 1_000 * random.pick([6, 30, 300]) } : {}),
        ...(random.chance(0.5) ? { watchdogMs: 1_000 * random.pick([4, 15, 60]) } : {}),
        ...(random.chance(0.5)
          ? { onStorageLoss: random.pick(["SelfFence", "SurviveWithApi"] as const) }
          : {}),
      }
    : {};
}

function pastBy(random: Random): Past {
  return random.weighted([
    ["none", 60],
    ["slot-moved", 20],
    ["registered-again", 20],
  ]);
}

function loneFaults(random: Random, schedule: Schedule, past: Past): Fault[] {
  const fault = loneFault(random, schedule);
  if (past === "none") {
    return [fault];
  }
  const { msgwaitMs } = deriveTiming(schedule);
  const startMs = QUIET_START_MS + schedule.timeoutMs;
  // Long after, so that no second slot and no unread message is left of it.
  const last = { ...fault, atMs: fault.atMs + 3 * msgwaitMs + 120_000 };
  const others = othersThan(fault.node, schedule);
  const deletedEveryMs = random.pick([1_000, 5_000, 35_000]);
  return past === "slot-moved"
    ? [
        atEach("slot-move", startMs, 0)(fault.node, 0),
        last,
        ...others.map(atEach("rollout", last.atMs + 1_000, 5_000, 30_000)),
      ]
    : [...[fault.node, ...others].map(atEach("node-deleted", startMs, deletedEveryMs)), last];
}

/** One fault at each node, one after the other. */
function atEach(
  kind: FaultKind,
  fromMs: number,
  everyMs: number,
  forMs = 0,
): (node: number, index: number) => Fault {
  return (node, index) => ({ atMs: fromMs + everyMs * index, kind, node, forMs, detail: 0 });
}

function loneFault(random: Random, schedule: Schedule): Fault {
  const kind = random.pick(LONE_KINDS);
  const { msgwaitMs } = deriveTiming(schedule);
  return {
    atMs: Math.round(QUIET_START_MS + schedule.timeoutMs + random.next() * msgwaitMs),
    kind,
    node: random.whole(1, schedule.nodes),
    forMs:
      kind === "reset" || kind === "request" ? 0 : Math.round(msgwaitMs * random.between(0.1, 6)),
    detail: 0,
  };
}

/** Bursts around one victim, in the rhythm of the contract, and strays anywhere. */
function roughFaults(random: Random, schedule: Schedule, wishes: ScheduleWishes): Fault[] {
  const weights = wishes.weights ?? {};
  const { msgwaitMs } = deriveTiming(schedule);
  // What is outside the claim comes only where it is asked for.
  const kinds = FAULT_KINDS.filter(
    (kind) => FAULTS[kind].scope === "inside" || weights[kind] !== undefined,
  ).map((kind): [FaultKind, number] => [kind, weights[kind] ?? USUAL_WEIGHTS[kind] ?? 1]);
  const faults: Fault[] = [];
  const startMs = QUIET_START_MS + schedule.timeoutMs;
  let anchorMs = startMs;
  while (anchorMs < schedule.stormMs - msgwaitMs) {
    const victim = random.whole(1, schedule.nodes);
    const count = wishes.pattern !== undefined && random.chance(0.7) ? 0 : random.whole(1, 5);
    for (let index = 0; index < count; index += 1) {
      const kind = random.weighted(kinds);
      faults.push({
        atMs: Math.round(anchorMs + offsetMs(random, schedule)),
        kind,
        node: random.chance(0.8) ? victim : random.whole(1, schedule.nodes),
        forMs: lengthMs(random, schedule, kind),
        detail: chooseDetail(random, schedule, kind),
      });
    }
    if (wishes.pattern !== undefined || random.chance(0.3)) {
      const pattern = wishes.pattern ?? random.pick(USUAL_PATTERNS);
      faults.push(...drawPattern(pattern, random, schedule, victim, anchorMs));
    }
    if (wishes.pattern === undefined && random.chance(0.35)) {
      faults.push(...fencerTrouble(random, schedule, kinds, victim, anchorMs));
    }
    anchorMs += msgwaitMs * random.between(0.5, 3.5);
  }
  // What lasts longer ends with the storm.
  return faults
    .filter(({ atMs }) => atMs < schedule.stormMs)
    .map((fault) => ({ ...fault, forMs: Math.min(fault.forMs, schedule.stormMs - fault.atMs) }));
}

/** Every node that could be the victim's fencer has a fault of one kind, at about one time. */
function fencerTrouble(
  random: Random,
  schedule: Schedule,
  kinds: readonly (readonly [FaultKind, number])[],
  victim: number,
  anchorMs: number,
): Fault[] {
  const kind = random.weighted(kinds.filter(([known]) => FENCER_KINDS.has(known)));
  const atMs = anchorMs + offsetMs(random, schedule);
  const spreadMs = random.chance(0.5) ? 0 : random.next() * schedule.timeoutMs;
  const fault = {
    kind,
    forMs: lengthMs(random, schedule, kind),
    detail: chooseDetail(random, schedule, kind),
  };
  const faults: Fault[] = [];
  for (let node = 1; node <= schedule.nodes; node += 1) {
    if (node !== victim) {
      faults.push({ ...fault, node, atMs: Math.round(atMs + spreadMs * random.next()) });
    }
  }
  const request: Fault = {
    atMs: Math.round(anchorMs),
    kind: "request",
    node: victim,
    forMs: 0,
    detail: 0,
  };
  return random.chance(0.5) ? [request, ...faults] : faults;
}

const FENCER_KINDS: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "path-slow",
  "path-eio",
  "path-hang",
  "lost-write",
  "late-write",
  "torn-write",
  "fence-write",
  "agent-kill",
  "agent-stall",
  "agent-cut",
  "os-freeze",
  "worker-died",
  "rollout",
]);

const USUAL_WEIGHTS: Readonly<Partial<Record<FaultKind, number>>> = {
  "api-steady": 0,
  "network-cut": 5,
  "path-hang": 4,
  "path-eio": 3,
  "array-hang": 0.5,
  "array-eio": 0.5,
  "agent-kill": 3,
  "agent-stop": 2,
  reset: 3,
  "power-off": 2,
  request: 3,
  "late-write": 2,
  rollout: 2,
  "sysrq-broken": 2,
  "node-deleted": 0.5,
  "confirm-off": 0.2,
  "confirm-true-word": 0.5,
  reprovision: 0.5,
  "vm-clone": 0.7,
  "slot-move": 0.5,
  "run-readonly": 0.3,
  "contract-shorter": 0.2,
  "go-message": 0.3,
  "garbage-header": 0.3,
};

/** Instants that matter: T, W and M, a little before and after. */
function offsetMs(random: Random, { timeoutMs, watchdogMs }: Schedule): number {
  const { msgwaitMs } = deriveTiming({ timeoutMs, watchdogMs });
  const interesting = random.pick([0, timeoutMs, timeoutMs + watchdogMs, msgwaitMs]);
  return random.chance(0.5)
    ? random.next() * msgwaitMs
    : Math.max(0, interesting + random.between(-0.1, 0.15) * msgwaitMs);
}

const MOMENTARY: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "lost-write",
  "late-write",
  "torn-write",
  "garbage-heartbeat",
  "garbage-fence",
  "go-message",
  "agent-kill",
  "agent-kill-latched",
  "worker-died",
  "slot-move",
  "sysrq-broken",
  "reset",
  "wall-step",
  "request",
  "request-deleted",
  "request-again",
  "request-forced",
  "request-timeout",
  "confirm-off",
  "confirm-true-word",
  "contract-shorter",
  "leader-restart",
  "node-deleted",
]);

function lengthMs(random: Random, schedule: Schedule, kind: FaultKind): number {
  const { timeoutMs, watchdogMs } = schedule;
  const { msgwaitMs } = deriveTiming(schedule);
  if (MOMENTARY.has(kind)) {
    return 0;
  }
  if (kind === "suspend-short") {
    return Math.round(random.between(100, 1_000));
  }
  if (kind === "rollout") {
    return 30_000;
  }
  return Math.round(
    random.pick([
      random.between(0.05, 1) * timeoutMs,
      random.between(0.9, 1.1) * timeoutMs,
      (timeoutMs + watchdogMs) * random.between(0.9, 1),
      random.between(1, 3) * msgwaitMs,
    ]),
  );
}

function chooseDetail(
  random: Random,
  { timeoutMs, watchdogMs }: Schedule,
  kind: FaultKind,
): number {
  switch (kind) {
    case "path-slow":
    case "array-slow":
      return Math.round(timeoutMs * random.pick([0.02, 0.1, 0.3, 0.8]));
    case "api-slow":
      return Math.round(timeoutMs * random.pick([0.05, 0.3, 1.2]));
    case "lost-write":
    case "torn-write":
      return random.whole(1, 3);
    case "late-write":
      return Math.round(
        random.pick([timeoutMs, watchdogMs, 3 * timeoutMs]) * random.between(0.2, 2),
      );
    case "agent-kill":
      return random.pick([0, random.whole(1, 6), random.whole(1, 20)]);
    case "agent-kill-latched":
      return Math.round(random.pick([random.between(0, 5_000), random.next() * watchdogMs]));
    case "agent-kill-loop":
      return Math.round(1_000 + watchdogMs * random.between(0.1, 0.95));
    case "agent-stop":
      return random.whole(0, 1);
    case "reprovision":
    case "vm-clone":
      return random.whole(0, 1);
    case "fence-write":
      return random.whole(1, 4);
    case "leader-cut":
    case "leader-stale":
    case "leader-restart":
      return random.whole(0, 1);
    case "wall-step":
      return random.pick([-3_600_000, 3_600_000, -5_000, 60_000]);
    default:
      return 0;
  }
}

/** All nodes lose their storage for longer than T, and the API is as slow as it may be at most. */
function vouchedSlowly(random: Random, schedule: Schedule, atMs: number, forMs: number): Fault[] {
  const kind = random.pick(["array-eio", "array-hang"] as const);
  const mostMs = apiTimeoutMs(schedule.timeoutMs);
  const requestMs = Math.round(mostMs * random.pick([random.next(), 1]));
  return [
    { atMs, kind, node: 1, forMs, detail: 0 },
    { atMs, kind: "api-steady", node: 1, forMs, detail: requestMs },
  ];
}

/** One at a time, each within what a node tolerates, with time to recover between them. */
function gentleFaults(random: Random, schedule: Schedule): Fault[] {
  const { timeoutMs, watchdogMs, nodes, stormMs } = schedule;
  const halfMs = Math.floor(timeoutMs / 2);
  const dozeMs = Math.floor(Math.min(timeoutMs, watchdogMs) / 2) - 500;
  const choices: readonly (readonly [FaultKind, number, number])[] = [
    ["path-slow", halfMs, Math.floor(timeoutMs / 20)],
    ["path-eio", halfMs, 0],
    ["path-hang", halfMs, 0],
    ["array-slow", halfMs, Math.floor(timeoutMs / 20)],
    ["array-eio", halfMs, 0],
    ["array-hang", halfMs, 0],
    ["lost-write", 0, 1],
    ["late-write", 0, halfMs],
    ["torn-write", 0, 1],
    ["blind-fence", halfMs, 0],
    ["garbage-heartbeat", 0, 0],
    ["garbage-header", halfMs, 0],
    ["blank-device", halfMs, 0],
    ["foreign-device", halfMs, 0],
    ["agent-stall", halfMs, 0],
    ["agent-stop", dozeMs, 0],
    ["os-freeze", Math.min(dozeMs, 25_000), 0],
    ["worker-died", 0, 0],
    ["rollout", 30_000, 0],
    ["suspend-short", 900, 0],
    ["wall-step", 0, random.pick([-86_400_000, 3_600_000])],
    ["network-cut", 25_000, 0],
    ["agent-cut", timeoutMs * 3, 0],
    ["kubelet-cut", 25_000, 0],
    ["leader-cut", timeoutMs * 3, 0],
    ["leader-stale", timeoutMs * 3, 0],
    ["leader-restart", 0, 0],
    ["api-slow", timeoutMs * 2, 5_000],
  ];
  const faults: Fault[] = [];
  let atMs = QUIET_START_MS + timeoutMs;
  while (atMs < stormMs) {
    if (schedule.onStorageLoss === "SurviveWithApi" && random.chance(0.4)) {
      const forMs = Math.floor(timeoutMs * random.between(1.5, 4));
      faults.push(...vouchedSlowly(random, schedule, Math.round(atMs), forMs));
      atMs += forMs + timeoutMs * random.between(2, 4) + 15_000;
      continue;
    }
    const [kind, mostMs, detail] = random.pick(choices);
    const forMs = kind === "rollout" ? mostMs : Math.floor(mostMs * random.between(0.3, 1));
    faults.push({ atMs: Math.round(atMs), kind, node: random.whole(1, nodes), forMs, detail });
    atMs += forMs + timeoutMs * random.between(2, 4) + 15_000;
  }
  return faults.filter((fault) => fault.atMs + fault.forMs < stormMs);
}
