import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

import { deriveTiming, msgwaitArithmetic, seconds } from "../timing/contract.ts";
import type { NumberedLine } from "../testing/numbered-writer.ts";
import { monotonicMs } from "../testing/virtual-node.ts";
import { createCluster, TIMEOUT_SECONDS, WATCHDOG_SECONDS, type Cluster } from "./cluster.ts";
import { createControlPlane, type ControlPlane, type ControlPlaneEvent } from "./control-plane.ts";
import { observeSlots, type Observed } from "./outside-observer.ts";
import { SCENARIOS, TARGET, type DemoResult, type ScenarioName } from "./scenario.ts";

/** Where a run is shown: a live picture on a terminal, or plain lines. */
export type Stage = {
  /** The times before the request have no `sinceRequestMs`. */
  say(text: string, sinceRequestMs: number | null): void;
  show(cluster: Cluster, controlPlane: ControlPlane): void;
};

const READY_WITHIN_MS = 60_000;
const HEALTHY_FOR_MS = 30_000;
const LINES_BEFORE = 5;
const LINES_AFTER = 10;
/** After the move: time for a second, wrong death to happen. */
const AFTERWARDS_MS = 4_000;
const POLL_MS = 20;

const TIMING = deriveTiming({
  timeoutMs: TIMEOUT_SECONDS * 1_000,
  watchdogMs: WATCHDOG_SECONDS * 1_000,
});
/** Before an agent's deadline, when it is killed: late enough that its closing pet matters. */
const KILL_AFTER_MS = TIMING.timeoutMs - 800;
const MOVED_WITHIN_MS = 2 * TIMING.msgwaitMs + 10_000;

type Run = {
  readonly cluster: Cluster;
  readonly controlPlane: ControlPlane;
  readonly stage: Stage;
  requestedMs: number | null;
  condemnedBoot: string;
  fenceWrittenMs: number | null;
  ackMs: number | null;
  deadMs: number | null;
  declaredMs: number | null;
  evidence: string | null;
  falseFences: number;
  newOwner: string | null;
};

/** Runs one scenario from an empty device to its result. */
export async function runScenario(scenario: ScenarioName, stage: Stage): Promise<DemoResult> {
  stage.say(`scenario ${scenario}: ${SCENARIOS[scenario]}`, null);
  stage.say(
    `four nodes, one shared device; T = ${seconds(TIMING.timeoutMs)}, ` +
      `W = ${seconds(TIMING.watchdogMs)}, ${msgwaitArithmetic(TIMING)}`,
    null,
  );
  const cluster = await createCluster();
  const events: ControlPlaneEvent[] = [];
  const controlPlane = createControlPlane(
    cluster.nodes,
    { owner: TARGET, spec: cluster.workload },
    (event) => events.push(event),
  );
  const run: Run = {
    cluster,
    controlPlane,
    stage,
    requestedMs: null,
    condemnedBoot: "",
    fenceWrittenMs: null,
    ackMs: null,
    deadMs: null,
    declaredMs: null,
    evidence: null,
    falseFences: 0,
    newOwner: null,
  };
  const stops = [watchMachines(run), watchShow(run, events)];
  try {
    await startUp(run);
    stops.push(
      observeSlots(cluster.observer, cluster.node(TARGET).nodeID, (it) => onSlot(run, it)),
    );
    await (scenario === "healthy" ? stayHealthy(run) : loseNode(run, scenario));
    return result(scenario, run);
  } finally {
    for (const stop of stops) {
      stop();
    }
    controlPlane.close();
    await cluster.close();
  }
}

async function startUp(run: Run): Promise<void> {
  const { cluster, controlPlane } = run;
  for (const { machine } of cluster.nodes) {
    machine.boot();
  }
  await until(() => {
    const statuses = cluster.nodes.map(({ name }) => controlPlane.status(name));
    return statuses.every(
      (status) => status?.watchdog === "armed" && status.moving.length === cluster.nodes.length,
    );
  }, "every agent armed and seeing every other");
  await until(() => cluster.lines().length >= LINES_BEFORE, "the workload writing");
  say(run, `all four agents are armed; the workload writes on ${TARGET}`);
}

async function loseNode(run: Run, scenario: ScenarioName): Promise<void> {
  const { cluster, controlPlane } = run;
  const target = cluster.node(TARGET);
  run.condemnedBoot = target.machine.bootID;
  run.requestedMs = monotonicMs();
  strike(run, scenario);
  controlPlane.requestFencing(TARGET);
  say(run, `fencing of ${TARGET} is requested`);
  if (scenario === "agent-killed") {
    await delay(KILL_AFTER_MS);
    target.machine.setRestart("agent", "never");
    target.machine.kill("agent", "SIGKILL");
    say(run, "its agent is killed -9 and not restarted: closing pets the watchdog");
  }
  const moved = await tryUntil(
    () => linesOf(run, run.newOwner).length >= LINES_AFTER,
    MOVED_WITHIN_MS,
  );
  if (moved) {
    await delay(AFTERWARDS_MS);
  }
}

function strike(run: Run, scenario: ScenarioName): void {
  const { cluster, controlPlane } = run;
  const { machine, faults } = cluster.node(TARGET);
  switch (scenario) {
    case "partition":
      controlPlane.cut(TARGET);
      say(run, `${TARGET} is cut off the network; its workload runs on`);
      return;
    case "storage-loss":
    case "agent-killed":
      controlPlane.cut(TARGET);
      faults.set({ read: { errno: "EIO" }, write: { errno: "EIO" }, sync: { errno: "EIO" } });
      say(run, `${TARGET} loses network and shared storage; its workload runs on`);
      return;
    case "frozen":
      machine.kill("agent", "SIGSTOP");
      say(run, `the agent of ${TARGET} is frozen (SIGSTOP); its workload runs on`);
      return;
    case "healthy":
      return;
  }
}

async function stayHealthy(run: Run): Promise<void> {
  run.requestedMs = monotonicMs();
  const slow = { delayMs: 100, jitterMs: 200, seed: 1 };
  for (const { faults } of run.cluster.nodes) {
    faults.set({ read: slow, write: slow, sync: slow });
  }
  const burners = [1, 2, 3, 4].map(() =>
    spawn(process.execPath, [
      "-e",
      `setTimeout(()=>process.exit(), ${HEALTHY_FOR_MS}); (function burn(){ const end = Date.now() + 50; while (Date.now() < end); setImmediate(burn); })()`,
    ]),
  );
  say(run, "every I/O takes 100 to 300 ms, and four processes burn the two CPUs");
  await delay(HEALTHY_FOR_MS);
  for (const burner of burners) {
    burner.kill("SIGKILL");
  }
  for (const { faults } of run.cluster.nodes) {
    faults.heal();
  }
  say(run, "everything is fast again");
  await delay(AFTERWARDS_MS);
}

function watchMachines(run: Run): () => void {
  const stops = run.cluster.nodes.map(({ name, machine }) =>
    machine.on((event) => {
      if (event.kind === "fire") {
        say(run, `the watchdog of ${name} fires`, event.tMs);
      }
      if (event.kind === "sysrq") {
        say(run, `${name} writes sysrq-${event.command}`, event.tMs);
      }
      if (event.kind === "boot" && run.requestedMs !== null) {
        say(run, `${name} boots again (boot ${event.bootID.slice(0, 8)})`, event.tMs);
      }
      if (event.kind !== "dead" || event.cause === "power") {
        return;
      }
      if (event.bootID === run.condemnedBoot) {
        run.deadMs = sinceRequest(run, event.tMs);
        say(run, `${name} is dead (${event.cause})`, event.tMs);
      } else {
        run.falseFences += 1;
        say(run, `${name} DIED though nobody condemned that boot (${event.cause})`, event.tMs);
      }
    }),
  );
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}

function onSlot(run: Run, observed: Observed): void {
  switch (observed.kind) {
    case "fence-message":
      run.fenceWrittenMs ??= sinceRequest(run, observed.tMs);
      say(
        run,
        `a fence message stands in the slot of ${TARGET}: epoch ${observed.record.epoch}, by ` +
          `${observed.record.fencerName}, to boot ${observed.record.targetBootID.slice(0, 8)}`,
        observed.tMs,
      );
      return;
    case "acknowledged":
      run.ackMs ??= sinceRequest(run, observed.tMs);
      say(run, `${TARGET} acknowledges: it will die`, observed.tMs);
      return;
    case "beats":
      if (run.requestedMs !== null && observed.record.bootID !== run.condemnedBoot) {
        const boot = observed.record.bootID.slice(0, 8);
        say(run, `${TARGET} beats again in boot ${boot}`, observed.tMs);
      }
      return;
  }
}

/** Shows the cluster regularly, and what its control plane says as it says it. */
function watchShow(run: Run, events: ControlPlaneEvent[]): () => void {
  const timer = setInterval(() => {
    for (const event of events.splice(0)) {
      onControlPlane(run, event);
    }
    run.stage.show(run.cluster, run.controlPlane);
  }, POLL_MS);
  return () => clearInterval(timer);
}

function onControlPlane(run: Run, event: ControlPlaneEvent): void {
  switch (event.kind) {
    case "fencer-named":
      say(run, `${event.agent} is named to fence ${TARGET}`);
      return;
    case "tainted":
      say(run, `${event.nodeName} is tainted NoExecute`);
      return;
    case "declared":
      run.evidence = event.evidence.kind;
      run.declaredMs = sinceRequest(run, monotonicMs());
      say(run, `PROVEN DEAD, ${event.evidence.kind}: ${event.evidence.detail}`);
      return;
    case "workload-moved":
      run.newOwner = event.to;
      say(run, `the workload moves to ${event.to}`);
      return;
    case "report":
      return;
  }
}

function result(scenario: ScenarioName, run: Run): DemoResult {
  const old = linesOf(run, TARGET).filter(({ bootID }) => bootID === run.condemnedBoot);
  const first = linesOf(run, run.newOwner)[0];
  const last = old.at(-1);
  const died = run.deadMs !== null || run.falseFences > 0;
  const fenced = run.declaredMs !== null && first !== undefined;
  return {
    scenario,
    target: TARGET,
    outcome: scenario === "healthy" ? (died ? "failed" : "none") : fenced ? "fenced" : "failed",
    evidence: run.evidence,
    fenceWrittenMs: run.fenceWrittenMs,
    ackMs: run.ackMs,
    deadMs: run.deadMs,
    declaredMs: run.declaredMs,
    oldOwnerLastWriteMs:
      scenario === "healthy" || last === undefined ? null : sinceRequest(run, last.tMs),
    newOwnerFirstWriteMs: first === undefined ? null : sinceRequest(run, first.tMs),
    falseFences: run.falseFences,
  };
}

function linesOf(run: Run, name: string | null): readonly NumberedLine[] {
  return name === null ? [] : run.cluster.lines().filter(({ node }) => node === name);
}

function sinceRequest(run: Run, tMs: number): number | null {
  return run.requestedMs === null ? null : Math.round(tMs - run.requestedMs);
}

function say(run: Run, text: string, tMs: number = monotonicMs()): void {
  run.stage.say(text, sinceRequest(run, tMs));
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
