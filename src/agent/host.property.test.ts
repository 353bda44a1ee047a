import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import { deriveTiming } from "../timing/contract.ts";
import type { AgentEffect } from "./effect.ts";
import { deviceHeader, FakeDevice, garbage, type DeviceFault } from "./scenarios/fake-device.ts";
import { Host, NODE_ID, type HostOptions } from "./scenarios/host.ts";
import { KernelWatchdog, MAGICCLOSE, SETTIMEOUT } from "./scenarios/kernel-watchdog.ts";
import { fenceBytes } from "./scenarios/records.ts";

/** Seconds of the model take a fraction of a millisecond each. */
const RUNS = { seed: 7, numRuns: 900 };
const REASON_MANUAL = 2;
const LAST_MOMENT_MS_MAX = 60_000;
const MID_PASS_MS_MAX = 3_000;
const DRIVERS = [
  { name: "i6300esb", identity: "i6300ESB timer", factor: 1 },
  { name: "softdog", identity: "Software Watchdog", factor: 1.12 },
  { name: "iTCO_wdt", identity: "iTCO_wdt", factor: 2 },
] as const;
const KILL_EFFECTS: readonly AgentEffect["type"][] = [
  "write-heartbeat",
  "keep-first-read",
  "open-watchdog",
  "start-petter",
  "push-deadline",
  "latch-petter",
  "keep-mark",
  "acknowledge",
  "reboot",
  "release-watchdog",
  "stretch-watchdog",
  "exit",
];
const FAULTS: readonly DeviceFault[] = [
  "ok",
  "ok",
  "hang",
  "fail-reads",
  "fail-writes",
  "lose-writes",
];

type Machine = {
  readonly timeoutS: number;
  readonly watchdogS: number;
  readonly mode: "SelfFence" | "SurviveWithApi";
  readonly driver: (typeof DRIVERS)[number];
  readonly nowayout: boolean;
  readonly roundsToSeconds: number;
  readonly stopOnReboot: boolean;
  readonly sysrqRefused: boolean;
};

const machine: fc.Arbitrary<Machine> = fc.record({
  timeoutS: fc.integer({ min: 3, max: 6 }),
  watchdogS: fc.integer({ min: 2, max: 9 }),
  mode: fc.constantFrom("SelfFence", "SurviveWithApi"),
  driver: fc.constantFrom(...DRIVERS),
  nowayout: fc.boolean(),
  roundsToSeconds: fc.constantFrom(1, 1, 1, 3),
  stopOnReboot: fc.boolean(),
  sysrqRefused: fc.boolean(),
});

function build({ timeoutS, watchdogS, mode, driver, ...rest }: Machine): Host {
  const options: HostOptions = {
    device: new FakeDevice(deviceHeader(timeoutS * 1_000, watchdogS * 1_000, mode)),
    watchdog: new KernelWatchdog({
      ...driver,
      options: SETTIMEOUT | MAGICCLOSE,
      nowayout: rest.nowayout,
      roundsToSeconds: rest.roundsToSeconds,
      mute: false,
      leastSeconds: 1,
      lazy: false,
    }),
    stopOnReboot: rest.stopOnReboot,
    virtual: false,
    sysrqRefused: rest.sysrqRefused,
    sysfsSilent: false,
    softNoboot: false,
    softRebootCmd: false,
    measuredFactor: null,
  };
  return new Host(options);
}

type Action = { readonly name: string; readonly run: (host: Host) => void };

function action(name: string, run: (host: Host) => void): fc.Arbitrary<Action> {
  return fc.constant({ name, run });
}

const start: Action = {
  name: "start",
  run: (host) => {
    if (host.process !== null || host.death !== null) return;
    host.startAgent({
      asked: { timeoutMs: null, watchdogMs: null, onStorageLoss: null },
      owner: null,
      detectOnly: false,
      rebootMethod: "panic",
      acceptUnverifiedWatchdogs: false,
    });
  },
};
const kill: Action = {
  name: "kill",
  run: (host) => {
    if (host.process !== null) host.killAgent();
  },
};
const terminate: Action = {
  name: "terminate",
  run: (host) => host.process?.terminate(),
};
const killAt = fc
  .record({
    when: fc.constantFrom("before" as const, "after" as const),
    effect: fc.constantFrom(...KILL_EFFECTS),
  })
  .map((point): Action => ({
    name: `kill ${point.when} ${point.effect}`,
    run: ({ process }) => {
      if (process !== null) process.killAt = point;
    },
  }));
const setFault = fc.constantFrom(...FAULTS).map((fault): Action => ({
  name: `device ${fault}`,
  run: (host) => {
    host.device.fault = fault;
    host.device.latencyMs = 2;
    if (fault !== "hang") host.release();
  },
}));
const otherDevice = fc.constantFrom("blank" as const, "foreign" as const).map((other): Action => ({
  name: `device ${other}`,
  run: ({ device }) => device.replaceWith(other),
}));
const deviceBack = action("device back", ({ device }) => device.restore());
const slow = fc.integer({ min: 1, max: 4_000 }).map((latencyMs): Action => ({
  name: `device slow ${latencyMs}`,
  run: ({ device }) => {
    device.latencyMs = latencyMs;
  },
}));
const late = fc.integer({ min: 1, max: 30_000 }).map((lateMs): Action => ({
  name: `device late ${lateMs}`,
  run: ({ device }) => {
    device.fault = "late-writes";
    device.lateMs = lateMs;
  },
}));
const stall = fc.integer({ min: 1, max: 15_000 }).map((forMs): Action => ({
  name: `stall ${forMs}`,
  run: (host) => {
    if (host.process !== null) host.process.stalledUntilMs = host.nowMs + forMs;
  },
}));
const api = fc.boolean().map((answers): Action => ({
  name: answers ? "api answers" : "api silent",
  run: (host) => {
    const openRequests = host.api?.openRequests ?? (requested.has(host) ? 1 : 0);
    host.api = answers ? { openRequests } : null;
  },
}));
/** Hosts for which a request is open: finalizer and request precede the message. */
const requested = new WeakSet<Host>();
const replaceWorker = action("replace worker", ({ process }) => process?.replaceWorker());
/** The adversary's moments: right before the watchdog fires, before the deadline, within a pass. */
const lastMoment = action("last moment", (host) => {
  const endMs = host.nowMs + LAST_MOMENT_MS_MAX;
  // Pets on the way put it off, until the petter has stopped.
  for (;;) {
    const lastMs = (host.watchdog?.firesMs ?? Infinity) - 1;
    if (lastMs <= host.nowMs || lastMs > endMs || host.death !== null) return;
    host.advance(lastMs);
  }
});
const beforeDeadline = action("before the deadline", (host) => {
  const deadlineMs = host.process?.petter.deadlineMs ?? Infinity;
  if (deadlineMs - 1 < host.nowMs + LAST_MOMENT_MS_MAX) {
    host.advance(Math.max(host.nowMs, deadlineMs - 1));
  }
});
const midPass = action("middle of a pass", (host) => {
  const endMs = host.nowMs + MID_PASS_MS_MAX;
  while (host.nowMs < endMs && host.process !== null) {
    if (host.process.state.pass.kind === "writing") return;
    host.advance(host.nowMs + 1);
  }
});
const anything = fc.oneof(
  { arbitrary: lastMoment, weight: 4 },
  { arbitrary: beforeDeadline, weight: 2 },
  { arbitrary: midPass, weight: 3 },
  { arbitrary: fc.constant(start), weight: 6 },
  { arbitrary: fc.constant(kill), weight: 3 },
  { arbitrary: fc.constant(terminate), weight: 2 },
  { arbitrary: killAt, weight: 3 },
  { arbitrary: setFault, weight: 5 },
  { arbitrary: slow, weight: 2 },
  { arbitrary: late, weight: 2 },
  { arbitrary: stall, weight: 2 },
  { arbitrary: api, weight: 2 },
  { arbitrary: replaceWorker, weight: 1 },
  { arbitrary: otherDevice, weight: 1 },
  { arbitrary: deviceBack, weight: 2 },
);
const pause = fc.oneof(
  { arbitrary: fc.constant(0), weight: 4 },
  { arbitrary: fc.integer({ min: 0, max: 8 }), weight: 3 },
  { arbitrary: fc.integer({ min: 0, max: 1_000 }), weight: 2 },
  { arbitrary: fc.integer({ min: 0, max: 12_000 }), weight: 2 },
);
const story = fc.array(fc.tuple(anything, pause), { minLength: 1, maxLength: 8 });
/** What makes the bound tight: the storage goes, and the process with it, each as late as can be. */
const worst = fc
  .tuple(
    fc.option(midPass, { nil: null }),
    fc.oneof(setFault, late, otherDevice),
    fc.option(beforeDeadline, { nil: null }),
    fc.array(fc.constantFrom("kill", "start"), { maxLength: 4 }),
    story,
  )
  .chain(([first, loss, second, ends, rest]) =>
    fc.tuple(pause, lastMoment).map(([forMs, last]) => {
      const losses = [first, loss, second].filter((one) => one !== null);
      const deaths = ends.flatMap((end) => (end === "kill" ? [last, kill] : [start]));
      const atOnce = losses.concat(deaths).map((one): readonly [Action, number] => [one, 0]);
      return atOnce.concat([[kill, forMs]], rest);
    }),
  );

function play(host: Host, actions: readonly (readonly [Action, number])[]): void {
  for (const [{ name, run }, forMs] of actions) {
    host.say(`> ${name}`);
    run(host);
    host.advance(host.nowMs + forMs);
  }
}

/** A request, then its message, then M: what the fencer's row of time-based proof relies on. */
function fence(host: Host): { readonly durableMs: number } {
  requested.add(host);
  if (host.api !== null) host.api = { openRequests: 1 };
  host.device.restore();
  host.device.putFence(NODE_ID, fenceBytes({ boot: "A", epoch: 1, reason: REASON_MANUAL }));
  host.say("> the message is durable");
  return { durableMs: host.nowMs };
}

function requireDead(host: Host, byMs: number): void {
  const atMs = host.death?.atMs ?? Infinity;
  assert.ok(atMs <= byMs, `dead at ${atMs}, not by ${byMs}\n${host.takeTrace().join("\n")}`);
}

test("what a fencer declares is dead: armed silence by T + 2W, an armed acknowledgement by 2W", () => {
  let silent = 0;
  let acknowledged = 0;
  fc.assert(
    fc.property(
      machine,
      story,
      fc.option(midPass, { nil: null }),
      fc.oneof(worst, story),
      (built, before, moment, after) => {
        const host = build(built);
        const { longestLifeMs, msgwaitMs, watchdogMs } = deriveTiming(host.device.header);
        start.run(host);
        host.advance(2_000);
        play(host, before);
        if (host.death !== null) return;
        if (moment !== null) play(host, [[moment, 0]]);
        const { durableMs } = fence(host);
        play(host, after);
        host.advance(Math.max(host.nowMs, durableMs + msgwaitMs));
        const acknowledgedMs = host.armedAcknowledgementMs;
        if (acknowledgedMs !== null) {
          acknowledged += 1;
          host.advance(Math.max(host.nowMs, acknowledgedMs + 2 * watchdogMs));
          requireDead(host, acknowledgedMs + 2 * watchdogMs);
        }
        host.device.restore();
        const slot = host.device.heartbeat(NODE_ID);
        if (slot.kind !== "heartbeat" || !slot.record.armed || slot.record.leaving) return;
        if (host.sbdNodeLeaving) return;
        const lastBeatMs = host.happenings.findLast(({ what }) => what === "beat")?.atMs ?? 0;
        if (lastBeatMs > durableMs + longestLifeMs) return;
        silent += 1;
        requireDead(host, durableMs + longestLifeMs);
      },
    ),
    RUNS,
  );
  assert.ok(silent > RUNS.numRuns / 10, `only ${silent} runs ended in armed silence`);
  assert.ok(acknowledged > RUNS.numRuns / 20, `only ${acknowledged} runs were acknowledged`);
});

/** Short of every bound: nothing here may cost a node its life. */
const harmless = fc.oneof(
  fc.constant(kill),
  fc.constant(terminate),
  api,
  replaceWorker,
  fc
    .constantFrom<DeviceFault>("hang", "fail", "fail-reads", "fail-writes", "lose-writes")
    .map((fault): Action => ({
      name: `a blip: ${fault}`,
      run: (host) => {
        host.device.fault = fault;
        host.advance(host.nowMs + Math.floor(host.device.header.timeoutMs / 3));
        host.device.fault = "ok";
        host.release();
      },
    })),
  fc.integer({ min: -1e9, max: 1e9 }).map((byMs): Action => ({
    name: `wall clock ${byMs}`,
    run: (host) => {
      host.wallOffsetMs = Math.max(1, host.wallOffsetMs + byMs);
    },
  })),
  fc.integer({ min: 1, max: 1_000 }).map((epoch): Action => ({
    name: `message for another boot, epoch ${epoch}`,
    run: ({ device }) =>
      device.putFence(NODE_ID, fenceBytes({ boot: "B", epoch, reason: REASON_MANUAL })),
  })),
  action("stall for a third of T", (host) => {
    if (host.process === null) return;
    host.process.stalledUntilMs = host.nowMs + Math.floor(host.device.header.timeoutMs / 3);
  }),
  fc.integer({ min: 1, max: 60 }).map((latencyMs): Action => ({
    name: `device slow ${latencyMs}`,
    run: ({ device }) => {
      device.latencyMs = latencyMs;
    },
  })),
  action("garbage in the own heartbeat slot", ({ device }) =>
    device.putHeartbeat(NODE_ID, garbage()),
  ),
);

test("a node dies of no slow disk, short outage, restart, clock step, message for another boot or garbage", () => {
  fc.assert(
    fc.property(machine, fc.array(harmless, { maxLength: 12 }), (built, actions) => {
      const host = build(built);
      start.run(host);
      host.advance(2_000);
      for (const one of actions) {
        host.say(`> ${one.name}`);
        one.run(host);
        start.run(host);
        host.advance(host.nowMs + 2 * host.device.header.timeoutMs);
      }
      assert.equal(host.death, null, host.takeTrace().join("\n"));
    }),
    { ...RUNS, numRuns: 400 },
  );
});
