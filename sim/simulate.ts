import { ApiStore } from "./api-store.ts";
import { Coverage } from "./coverage.ts";
import { printFault } from "./fault.ts";
import { injectFault } from "./fault-injection.ts";
import { chooseHardware, type Hardware } from "./hardware.ts";
import { Invariants, type Violation } from "./invariants.ts";
import { KubeControllers } from "./kube-controllers.ts";
import { Machine } from "./machine.ts";
import { narrate } from "./narrate.ts";
import { NodeHealthCheck } from "./node-health-check.ts";
import { OperatorReplica } from "./operator-replica.ts";
import { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";
import { headerOf, SharedDevice } from "./shared-device.ts";
import { configFor } from "./simulated-config.ts";
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
  narrate(world);
  invariants.begin();
  powerOn(world);
  const replicas = [new OperatorReplica(world, 1), new OperatorReplica(world, 2)];
  for (const replica of replicas) {
    replica.begin();
  }
  new KubeControllers(world).begin();
  new NodeHealthCheck(world, random("health check")).begin();
  for (const fault of schedule.faults) {
    timeline.at(fault.atMs, () => {
      world.say?.(`FAULT ${printFault(fault)}`);
      world.coverage.count(`fault: ${fault.kind}`);
      injectFault(world, replicas, fault);
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

/** Only a virtual machine is started twice. */
function withClones(hardware: Hardware, node: number, { faults }: Schedule): Hardware {
  const isCloned = faults.some(
    (fault) =>
      fault.node === node && (fault.kind === "vm-clone" || fault.kind === "vm-clone-beside"),
  );
  return isCloned ? { ...hardware, virtual: true } : hardware;
}

function powerOn(world: World): void {
  const { schedule, api, machines } = world;
  const random = world.random("hardware");
  api.configs.create(configFor(schedule));
  for (let node = 1; node <= schedule.nodes; node += 1) {
    const machine = new Machine(world, {
      label: `m${node}`,
      node,
      hardware: withClones(chooseHardware(random, schedule), node, schedule),
    });
    machines.push(machine);
    api.createNode(machine.nodeName);
    api.pods.create({
      metadata: { name: `app-${node}`, namespace: "apps" },
      spec: { nodeName: machine.nodeName },
    });
    machine.powerOn(random.next() * START_WITHIN_MS);
  }
}
