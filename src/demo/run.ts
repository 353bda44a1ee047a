import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

import { SYSTEM_NAMESPACE } from "../api/group.ts";
import { fieldAt, textAt } from "../kube/kube-object.ts";
import type { NumberedLine } from "../testing/numbered-writer.ts";
import { monotonicMs } from "../testing/virtual-node.ts";
import { deriveTiming, msgwaitArithmetic, seconds } from "../timing/contract.ts";
import { listenToApi, type ApiEvent } from "./api-events.ts";
import { createCluster, TIMEOUT_SECONDS, WATCHDOG_SECONDS, type Cluster } from "./cluster.ts";
import { observeSlots, type Observed } from "./outside-observer.ts";
import { SCENARIOS, TARGET, type DemoResult, type ScenarioName } from "./scenario.ts";
import { runStandInControllers } from "./stand-in-controllers.ts";

/** Where a run is shown: a live picture on a terminal, or plain lines. */
export type Stage = {
  /** The times before the request are negative. */
  say(text: string, sinceRequestMs: number | null): void;
  show(cluster: Cluster): void;
};

const READY_WITHIN_MS = 90_000;
const SLOW_FOR_MS = 30_000;
const OUTAGE_MS = 60_000;
const LINES_BEFORE = 5;
const LINES_AFTER = 10;
/** After everything is over: time for a wrong death to happen. */
const AFTERWARDS_MS = 4_000;
const POLL_MS = 20;
const SHOW_EVERY_MS = 100;

const TIMING = deriveTiming({
  timeoutMs: TIMEOUT_SECONDS * 1_000,
  watchdogMs: WATCHDOG_SECONDS * 1_000,
});
/** Before an agent's deadline, when it is killed: late enough that its closing pet matters. */
const KILL_AFTER_MS = TIMING.timeoutMs - 800;
/** Longer than a node without device and without anybody's word would live. */
const ARRAY_LOST_MS = TIMING.longestLifeMs + 2_000;
const MOVED_WITHIN_MS = 2 * TIMING.msgwaitMs + 30_000;
const EIO = { errno: "EIO" } as const;

type Run = {
  readonly scenario: ScenarioName;
  readonly cluster: Cluster;
  readonly stage: Stage;
  struckMs: number | null;
  requestedMs: number | null;
  /** The boot that is struck: the workload's first owner. */
  struckBoot: string;
  /** It, and every boot that a fence message is addressed to. */
  readonly condemned: Set<string>;
  /** When each boot died, but for those that were switched off. */
  readonly deaths: Map<string, number>;
  /** The boot that the evidence is about. */
  provenBoot: string | null;
  fenceWrittenMs: number | null;
  ackMs: number | null;
  declaredMs: number | null;
  evidence: string | null;
  leaderKilled: boolean;
  /** When each step was first seen, by whoever saw it: API server, device, machine. */
  readonly steps: Map<Step, number>;
};

/** In this order, as far as they happen at all. */
const STEPS = [
  "requested",
  "finalizer",
  "tainted NoSchedule",
  "fencer named",
  "message written",
  "declared",
  "succeeded",
] as const;
type Step = (typeof STEPS)[number];

/** Runs one scenario from an empty device to its result. */
export async function runScenario(
  scenario: ScenarioName,
  stage: Stage,
): Promise<{ readonly result: DemoResult; readonly disorder: readonly string[] }> {
  const { text, onStorageLoss } = SCENARIOS[scenario];
  stage.say(`scenario ${scenario}: ${text}`, null);
  stage.say(
    `an API server, two operators, four nodes, one shared device; ` +
      `T = ${seconds(TIMING.timeoutMs)}, W = ${seconds(TIMING.watchdogMs)}, ` +
      msgwaitArithmetic(TIMING),
    null,
  );
  const cluster = await createCluster(onStorageLoss);
  const run: Run = {
    scenario,
    cluster,
    stage,
    struckMs: null,
    requestedMs: null,
    struckBoot: "",
    condemned: new Set(),
    deaths: new Map(),
    provenBoot: null,
    fenceWrittenMs: null,
    ackMs: null,
    declaredMs: null,
    evidence: null,
    leaderKilled: false,
    steps: new Map(),
  };
  const { server, kubeconfigs } = cluster.kubernetes;
  const controllers = runStandInControllers(kubeconfigs.admin, cluster.workload, {
    enabled: () => run.struckMs !== null,
  });
  const stops = [
    watchMachines(run),
    listenToApi(server, (event) => onApi(run, event)),
    every(SHOW_EVERY_MS, () => stage.show(cluster)),
  ];
  try {
    await startUp(run);
    stops.push(observeSlots(cluster.observer, slotOf(run, TARGET), (it) => onSlot(run, it)));
    run.struckMs = monotonicMs();
    await (SCENARIOS[scenario].everybodyLives ? everybodyLives(run) : loseNode(run));
    return { result: result(run), disorder: disorder(run) };
  } finally {
    for (const stop of stops) {
      stop();
    }
    await controllers.close();
    await cluster.close();
  }
}

async function startUp(run: Run): Promise<void> {
  const { cluster } = run;
  for (const { machine } of cluster.nodes) {
    machine.boot();
  }
  const { objects } = cluster.kubernetes.server;
  await until(() => {
    const sbdNodes = objects.list("sbdnodes.medik8s.io");
    return cluster.nodes.every(({ name }) =>
      sbdNodes.some(
        (node) =>
          textAt(node, "spec", "nodeName") === name &&
          fieldAt(node, "status", "armed") === true &&
          fieldAt(node, "status", "movingPeers") === cluster.nodes.length - 1,
      ),
    );
  }, "every agent armed and seeing every other");
  await until(() => cluster.lines().length >= LINES_BEFORE, "the workload writing");
  say(run, `all four agents are armed; the workload writes on ${TARGET}`);
}

async function loseNode(run: Run): Promise<void> {
  const { cluster, scenario } = run;
  const { machine, faults } = cluster.node(TARGET);
  run.struckBoot = machine.bootID;
  run.condemned.add(machine.bootID);
  switch (scenario) {
    case "partition":
    case "leader-killed":
      cluster.kubernetes.cut(TARGET);
      say(run, `${TARGET} is cut off the network; its workload runs on`);
      break;
    case "storage-loss":
    case "agent-killed":
      cluster.kubernetes.cut(TARGET);
      faults.set({ read: EIO, write: EIO, sync: EIO });
      say(run, `${TARGET} loses network and shared storage; its workload runs on`);
      break;
    case "frozen":
      await machine.freeze("watchdog-runs");
      say(run, `${TARGET} hangs`);
      break;
    default:
      throw new Error(`In scenario ${scenario} nobody is lost`);
  }
  if (scenario === "agent-killed") {
    await delay(KILL_AFTER_MS);
    machine.setRestart("agent", "never");
    machine.kill("agent", "SIGKILL");
    say(run, "its agent is killed -9 and not restarted: closing pets the watchdog");
  }
  const moved = await tryUntil(
    () => run.declaredMs !== null && newLines(run).length >= LINES_AFTER,
    MOVED_WITHIN_MS,
  );
  if (moved) {
    await delay(AFTERWARDS_MS);
  }
}

async function everybodyLives(run: Run): Promise<void> {
  const { cluster, scenario } = run;
  switch (scenario) {
    case "healthy":
      await slowDown(run);
      break;
    case "api-outage":
      await cluster.kubernetes.server.goAway();
      say(run, "the API server is gone");
      await delay(OUTAGE_MS);
      await cluster.kubernetes.server.comeBack();
      say(run, "the API server is back");
      break;
    case "array-loss":
      for (const { faults } of cluster.nodes) {
        faults.set({ read: EIO, write: EIO, sync: EIO });
      }
      say(run, `all nodes lose the shared storage, for ${seconds(ARRAY_LOST_MS)}`);
      await delay(ARRAY_LOST_MS);
      for (const { faults } of cluster.nodes) {
        faults.heal();
      }
      say(run, "the shared storage is back");
      break;
    default:
      throw new Error(`In scenario ${scenario} somebody is lost`);
  }
  await delay(2 * AFTERWARDS_MS);
}

async function slowDown(run: Run): Promise<void> {
  const slow = { delayMs: 100, jitterMs: 200, seed: 1 };
  for (const { faults } of run.cluster.nodes) {
    faults.set({ read: slow, write: slow, sync: slow });
  }
  const burn = `const end = Date.now() + ${SLOW_FOR_MS}; while (Date.now() < end);`;
  const burners = [1, 2, 3, 4].map(() => spawn(process.execPath, ["-e", burn]));
  say(run, "every I/O takes 100 to 300 ms, and four processes burn the CPUs");
  await delay(SLOW_FOR_MS);
  for (const burner of burners) {
    burner.kill("SIGKILL");
  }
  for (const { faults } of run.cluster.nodes) {
    faults.heal();
  }
  say(run, "everything is fast again");
}

function watchMachines(run: Run): () => void {
  const stops = run.cluster.nodes.map(({ name, machine }) =>
    machine.on((event) => {
      switch (event.kind) {
        case "fire":
          say(run, `the watchdog of ${name} fires`, event.tMs);
          return;
        case "sysrq":
          say(run, `${name} writes sysrq-${event.command}`, event.tMs);
          return;
        case "boot":
          if (run.struckMs !== null) {
            say(run, `${name} boots again (boot ${short(event.bootID)})`, event.tMs);
          }
          return;
        case "dead":
          if (event.cause !== "power") {
            onDeath(run, name, event.bootID, event.cause, event.tMs);
          }
          return;
        default:
          return;
      }
    }),
  );
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}

function onDeath(run: Run, name: string, bootID: string, cause: string, tMs: number): void {
  run.deaths.set(bootID, tMs);
  const why = run.condemned.has(bootID) ? "" : ", though nobody condemned that boot";
  say(run, `${name} is dead (${cause})${why}`, tMs);
}

function onSlot(run: Run, observed: Observed): void {
  switch (observed.kind) {
    case "fence-message": {
      run.fenceWrittenMs ??= observed.tMs;
      seen(run, "message written", observed.tMs);
      const { epoch, fencerName, targetBootID } = observed.record;
      run.condemned.add(targetBootID);
      say(
        run,
        `a fence message stands in the slot of ${TARGET}: epoch ${epoch}, by ${fencerName}, to ` +
          `boot ${short(targetBootID)}`,
        observed.tMs,
      );
      return;
    }
    case "acknowledged":
      run.ackMs ??= observed.tMs;
      say(run, `${TARGET} acknowledges: it will die`, observed.tMs);
      return;
    case "beats":
      if (run.struckMs !== null && observed.record.bootID !== run.struckBoot) {
        say(run, `${TARGET} beats in boot ${short(observed.record.bootID)}`, observed.tMs);
      }
      return;
  }
}

function onApi(run: Run, event: ApiEvent): void {
  if (run.struckMs === null) {
    return;
  }
  switch (event.kind) {
    case "requested":
      if (event.nodeName === TARGET) {
        run.requestedMs ??= event.tMs;
        seen(run, "requested", event.tMs);
      }
      say(run, `SBDRemediation ${event.name} asks for ${event.nodeName}`, event.tMs);
      return;
    case "finalizer":
      seen(run, "finalizer", event.tMs);
      return;
    case "fencer-named":
      seen(run, "fencer named", event.tMs);
      say(run, `the agent of ${event.agent} is named to fence it`, event.tMs);
      return;
    case "durable":
      say(run, "the message is durable", event.tMs);
      if (run.scenario === "leader-killed" && !run.leaderKilled) {
        killLeader(run);
      }
      return;
    case "evidence":
      run.evidence = event.evidence;
      run.provenBoot = event.bootID;
      say(run, `PROVEN DEAD, ${event.evidence}: ${event.detail}`, event.tMs);
      return;
    case "declared":
      run.declaredMs ??= event.tMs;
      seen(run, "declared", event.tMs);
      say(run, "FencingSucceeded=True", event.tMs);
      return;
    case "concluded":
      seen(run, "succeeded", event.tMs);
      say(run, `Succeeded=${event.succeeded}${event.message && `: ${event.message}`}`, event.tMs);
      return;
    case "tainted":
      if (event.nodeName === TARGET && event.taint === "NoSchedule") {
        seen(run, "tainted NoSchedule", event.tMs);
      }
      say(run, `${event.nodeName} is tainted ${event.taint}`, event.tMs);
      return;
    case "not-ready":
      say(run, `the kubelet of ${event.nodeName} is silent: Ready=Unknown`, event.tMs);
      return;
    case "pod-bound":
      say(run, `the workload's pod is bound to ${event.nodeName}`, event.tMs);
      return;
    case "pod-gone":
      say(run, `the workload's pod on ${event.nodeName} is gone`, event.tMs);
      return;
  }
}

function seen(run: Run, step: Step, tMs: number): void {
  if (!run.steps.has(step)) {
    run.steps.set(step, tMs);
  }
}

/** Steps that came before one they must follow. */
function disorder({ steps }: Run): string[] {
  const inOrder = STEPS.filter((step) => steps.has(step));
  return inOrder.flatMap((step, index) => {
    const before = inOrder[index - 1];
    return before !== undefined && (steps.get(before) ?? 0) > (steps.get(step) ?? 0)
      ? [`'${step}' came before '${before}'`]
      : [];
  });
}

function killLeader(run: Run): void {
  const { cluster } = run;
  const lease = cluster.kubernetes.server.objects.get(
    "leases.coordination.k8s.io",
    "sbd-operator",
    SYSTEM_NAMESPACE,
  );
  const holder = textAt(lease, "spec", "holderIdentity");
  const leader = cluster.operators.find(({ name }) => name === holder);
  if (leader !== undefined) {
    run.leaderKilled = true;
    leader.process.kill("SIGKILL");
    say(run, `the leading operator ${holder} is killed -9`);
  }
}

function result(run: Run): DemoResult {
  const { scenario, struckBoot, deaths, condemned } = run;
  const { everybodyLives: livesOn } = SCENARIOS[scenario];
  const old = run.cluster.lines().filter(({ bootID }) => bootID === struckBoot);
  const first = newLines(run)[0]?.tMs ?? null;
  const last = old.at(-1)?.tMs ?? null;
  const fenced = run.declaredMs !== null && first !== null;
  const leaderWasKilled = scenario !== "leader-killed" || run.leaderKilled;
  const asItShould = livesOn ? deaths.size === 0 : fenced && leaderWasKilled;
  return {
    scenario,
    target: TARGET,
    outcome: asItShould ? (livesOn ? "none" : "fenced") : "failed",
    evidence: run.evidence,
    fenceWrittenMs: sinceRequest(run, run.fenceWrittenMs),
    ackMs: sinceRequest(run, run.ackMs),
    deadMs: sinceRequest(run, deaths.get(run.provenBoot ?? struckBoot) ?? null),
    declaredMs: sinceRequest(run, run.declaredMs),
    oldOwnerLastWriteMs: livesOn ? null : sinceRequest(run, last),
    newOwnerFirstWriteMs: sinceRequest(run, first),
    falseFences: [...deaths.keys()].filter((bootID) => !condemned.has(bootID)).length,
  };
}

/** What the workload has written elsewhere since its node was lost. */
function newLines(run: Run): readonly NumberedLine[] {
  return run.struckBoot === ""
    ? []
    : run.cluster.lines().filter(({ bootID }) => bootID !== run.struckBoot);
}

function slotOf(run: Run, nodeName: string): number {
  const { objects } = run.cluster.kubernetes.server;
  const slot = objects
    .list("sbdnodes.medik8s.io")
    .find((node) => textAt(node, "spec", "nodeName") === nodeName);
  return Number(fieldAt(slot, "spec", "nodeID"));
}

function sinceRequest(run: Run, tMs: number | null): number | null {
  return tMs === null || run.requestedMs === null ? null : Math.round(tMs - run.requestedMs);
}

/** Lines count from the request; before there is one, from the blow. */
function say(run: Run, text: string, tMs: number = monotonicMs()): void {
  const fromMs = run.requestedMs ?? run.struckMs;
  run.stage.say(text, fromMs === null ? null : tMs - fromMs);
}

function short(bootID: string): string {
  return bootID.slice(0, 8);
}

function every(ms: number, act: () => void): () => void {
  const timer = setInterval(act, ms);
  return () => clearInterval(timer);
}

async function until(done: () => boolean, what: string): Promise<void> {
  if (!(await tryUntil(done, READY_WITHIN_MS))) {
    throw new Error(`Not within ${seconds(READY_WITHIN_MS)}: ${what}`);
  }
}

async function tryUntil(done: () => boolean, withinMs: number): Promise<boolean> {
  const endMs = monotonicMs() + withinMs;
  while (!done()) {
    if (monotonicMs() > endMs) {
      return false;
    }
    await delay(POLL_MS);
  }
  return true;
}
