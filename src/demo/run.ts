import { spawn } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { SYSTEM_NAMESPACE } from "../api/group.ts";
import { fieldAt, listAt, textAt } from "../kube/kube-object.ts";
import type { NumberedLine } from "../testing/numbered-writer.ts";
import { monotonicMs } from "../testing/virtual-node.ts";
import { deriveTiming, msgwaitArithmetic, seconds } from "../timing/contract.ts";
import { listenToApi, type ApiEvent } from "./api-events.ts";
import { createCluster, TIMEOUT_SECONDS, WATCHDOG_SECONDS, type Cluster } from "./cluster.ts";
import { observeSlots, type Observed } from "./outside-observer.ts";
import { nodePictures } from "./node-picture.ts";
import type { Stage } from "./stage.ts";
import {
  SCENARIOS,
  TARGET,
  type DemoResult,
  type ScenarioName,
  type Unproven,
} from "./scenario.ts";
import { NODE_SILENT_AFTER_MS, runStandInControllers } from "./stand-in-controllers.ts";

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
  /** Told before there is a request to count from. */
  readonly undated: { readonly text: string; readonly tMs: number }[];
  /** Nodes that hang. */
  readonly hung: Set<string>;
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
    undated: [],
    hung: new Set(),
    steps: new Map(),
  };
  const { server, kubeconfigs } = cluster.kubernetes;
  const controllers = runStandInControllers(kubeconfigs.admin, cluster.workload, {
    enabled: () => run.struckMs !== null,
  });
  const stops = [
    watchMachines(run),
    listenToApi(server, (event) => onApi(run, event)),
    every(SHOW_EVERY_MS, () =>
      stage.show(() => ({
        nodes: nodePictures(cluster, (name) => run.hung.has(name)),
        awaited: awaited(run),
        undated: run.undated.map((told) => told.text),
      })),
    ),
  ];
  try {
    await startUp(run);
    stops.push(observeSlots(cluster.observer, slotOf(run, TARGET), (it) => onSlot(run, it)));
    run.struckMs = monotonicMs();
    await (SCENARIOS[scenario].everybodyLives ? everybodyLives(run) : loseNode(run));
    return { result: result(run), disorder: disorder(run) };
  } catch (error) {
    throw withLogs(error, cluster);
  } finally {
    dateAll(run);
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
        case "freeze":
          run.hung.add(name);
          return;
        case "fire":
          say(run, `the watchdog of ${name} fires`, event.tMs);
          return;
        case "sysrq":
          say(run, `${name} writes sysrq-${event.command}`, event.tMs);
          return;
        case "boot":
          run.hung.delete(name);
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
        dateAll(run);
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
      say(
        run,
        `the workload's pod on ${event.nodeName} is gone${whyBeforeProof(run, event.nodeName)}`,
        event.tMs,
      );
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
    unproven: livesOn || fenced ? null : unproven(run),
  };
}

/** Why there is no proof, as an administrator would ask the API server. */
function unproven({ cluster }: Run): Unproven {
  const { objects } = cluster.kubernetes.server;
  const [request] = objects.list("sbdremediations.medik8s.io");
  const node = objects.get("nodes", TARGET);
  return {
    conditions: listAt(request, "status", "conditions").map(
      (one) => `${textAt(one, "type")}=${textAt(one, "status")}: ${textAt(one, "message")}`,
    ),
    fencing: fieldAt(request, "status", "fencing") ?? null,
    node: {
      bootID: textAt(node, "status", "nodeInfo", "bootID"),
      taints: listAt(node, "spec", "taints").map(
        (taint) => `${textAt(taint, "key")}:${textAt(taint, "effect")}`,
      ),
    },
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

/**
 * Every line counts from the request. What comes before it waits until there is one: its time is
 * negative. Where nobody is to be lost, the blow is what is counted from.
 */
function say(run: Run, text: string, tMs: number = monotonicMs()): void {
  const { struckMs, requestedMs, scenario } = run;
  if (struckMs !== null && requestedMs === null && !SCENARIOS[scenario].everybodyLives) {
    run.undated.push({ text, tMs });
    return;
  }
  const fromMs = requestedMs ?? struckMs;
  run.stage.say(text, fromMs === null ? null : tMs - fromMs);
}

/** Also at the end of a run in which nobody was asked for: then they count from the blow. */
function dateAll(run: Run): void {
  const fromMs = run.requestedMs ?? run.struckMs;
  for (const { text, tMs } of run.undated.splice(0)) {
    run.stage.say(text, fromMs === null ? null : tMs - fromMs);
  }
}

/** A rebooted kubelet may end what the API server still shows on it, before anybody has proven anything. */
function whyBeforeProof(
  { declaredMs, struckMs, deaths, struckBoot }: Run,
  nodeName: string,
): string {
  return struckMs !== null && declaredMs === null && nodeName === TARGET && deaths.has(struckBoot)
    ? ", before the proof: the kubelet of the next boot evicts it, and the boot that ran it is over"
    : "";
}

/** What happens next, for the picture. */
function awaited(run: Run): string {
  const { struckMs, requestedMs, fenceWrittenMs, declaredMs, evidence, scenario } = run;
  if (struckMs === null) return "four armed agents that see each other, and a workload that writes";
  if (SCENARIOS[scenario].everybodyLives) return "a death that must not come";
  if (requestedMs === null) {
    return `${TARGET}'s kubelet to be silent for ${seconds(NODE_SILENT_AFTER_MS)}; then NodeHealthCheck asks`;
  }
  if (fenceWrittenMs === null) return "a fencer to be named, and to write its message";
  if (evidence === null) {
    const leftMs = fenceWrittenMs + TIMING.msgwaitMs - monotonicMs();
    return (
      "proof: an acknowledgement, or a later boot; " +
      (leftMs > 0 ? `silence proves it in ${(leftMs / 1_000).toFixed(0)} s` : "silence, any moment")
    );
  }
  if (declaredMs === null) return "the leader to show the proof";
  return newLines(run).length === 0
    ? "the volume to be detached, and the pod to start elsewhere"
    : "a wrong write of the old owner, which must not come";
}

/** What the programs said would go with the demo's directory. */
function withLogs(error: unknown, { directory }: Cluster): Error {
  const kept = fs.mkdtempSync(join(tmpdir(), "sbd-demo-logs-"));
  for (const name of fs.globSync("**/*.log", { cwd: directory })) {
    fs.cpSync(join(directory, name), join(kept, name));
  }
  const why = error instanceof Error ? error.message : String(error);
  return new Error(`${why}. What the programs said is in ${kept}`, { cause: error });
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
