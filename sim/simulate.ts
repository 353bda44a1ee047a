import { ApiStore } from "./api-store.ts";
import { Coverage } from "./coverage.ts";
import { printFault } from "./fault.ts";
import { injectFault } from "./fault-injection.ts";
import { chooseHardware } from "./hardware.ts";
import { Invariants, type Violation } from "./invariants.ts";
import { LeaderModel } from "./leader-model.ts";
import { Machine } from "./machine.ts";
import { NodeHealthCheck } from "./node-health-check.ts";
import { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";
import { headerOf, SharedDevice } from "./shared-device.ts";
import { headerFor } from "./simulated-header.ts";
import { Timeline } from "./timeline.ts";
import { Workloads } from "./workloads.ts";
import type { World } from "./world.ts";

export type RunResult = {
  readonly violation: Violation | null;
  readonly coverage: Coverage;
  readonly simulatedMs: number;
  readonly events: number;
};

/** Nodes start one after another, within this. */
const START_WITHIN_MS = 20_000;

/**
 * Runs one schedule from power-on to the end of its calm, or to the first violation.
 *
 * @param hear gets each line of the trace; leave it out where nobody reads it
 */
export function simulate(schedule: Schedule, hear?: (line: string) => void): RunResult {
  const timeline = new Timeline();
  const random = (stream: string): Random => new Random(schedule.seed, stream);
  const say =
    hear === undefined
      ? null
      : (line: string): void =>
          hear(`${(timeline.nowMs / 1_000).toFixed(3).padStart(10)}  ${line}`);
  const world: World = {
    schedule,
    timeline,
    device: new SharedDevice(headerOf(headerFor(schedule)), (nodeID, slot) =>
      world.invariants.fenceChanged(nodeID, slot),
    ),
    array: { hungUntilMs: 0, failsUntilMs: 0, slowMs: 0 },
    api: new ApiStore(timeline, random("api")),
    get workloads() {
      return workloads;
    },
    get invariants() {
      return invariants;
    },
    coverage: new Coverage(),
    machines: [],
    random,
    say,
  };
  const workloads = new Workloads(world);
  const invariants = new Invariants(world);
  world.api.created = (request) => invariants.requestCreated(request);
  world.api.renamed = (uid, before, now) => invariants.named(uid, before, now);
  powerOn(world);
  const first = new LeaderModel(world, 1, null);
  const leaders = [first, new LeaderModel(world, 2, first)];
  for (const leader of leaders) {
    leader.begin();
  }
  new NodeHealthCheck(world, random("health check")).begin();
  for (const fault of schedule.faults) {
    timeline.at(fault.atMs, () => {
      world.say?.(`FAULT ${printFault(fault)}`);
      world.coverage.count(`fault: ${fault.kind}`);
      injectFault(world, leaders, fault);
    });
  }
  const halted = (): boolean => invariants.violation !== null;
  timeline.run(schedule.stormMs + schedule.calmMs, halted);
  if (!halted()) {
    invariants.ended();
  }
  return {
    violation: invariants.violation,
    coverage: world.coverage,
    simulatedMs: timeline.nowMs,
    events: timeline.events,
  };
}

function powerOn(world: World): void {
  const { schedule, api, machines } = world;
  const random = world.random("hardware");
  for (let node = 1; node <= schedule.nodes; node += 1) {
    const machine = new Machine(world, {
      label: `m${node}`,
      node,
      hardware: chooseHardware(random, schedule),
    });
    machines.push(machine);
    const name = `sbd-${node}`;
    const { nodeName } = machine;
    api.createNode(nodeName);
    api.sbdNodes.set(name, {
      name,
      nodeID: node,
      nodeName,
      leaving: false,
      armed: false,
      bootID: "",
      goodMs: -Infinity,
      blind: false,
    });
    machine.powerOn(random.next() * START_WITHIN_MS);
  }
}
