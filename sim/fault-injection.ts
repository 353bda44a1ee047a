import { FENCE_REASON_MANUAL } from "../src/protocol/fence-reason.ts";
import { newFence } from "../src/protocol/message.ts";
import type { Fault } from "./fault.ts";
import { chooseHardware } from "./hardware.ts";
import type { Leader } from "./leader-model.ts";
import { Machine } from "./machine.ts";
import { GARBAGE, headerOf, SharedDevice } from "./shared-device.ts";
import { foreignHeader } from "./simulated-header.ts";
import { WALL_START_MS, type World } from "./world.ts";

const FENCE_WRITE_FATES = ["ok", "lost", "torn", "fails", "late"] as const;
const SHORTEST_TIMEOUT_MS = 4_000;
const SHORTEST_WATCHDOG_MS = 4_000;
const SLOTS_APART = 10;
const FOR_GOOD_MS = 1e12;
const NEW_POD_AFTER_MS = 3_000;
const DUPLICATE_STANDS_MS = 5_000;
const CONFIRM_EVERY_MS = 10_000;
const CONFIRM_WITHIN_MS = 600_000;

/** Lets one fault happen now. */
export function injectFault(world: World, leaders: readonly Leader[], fault: Fault): void {
  const { timeline, array, api } = world;
  const { nowMs } = timeline;
  const { forMs, detail } = fault;
  const nodeName = `worker-${fault.node}`;
  const machine = newestMachine(world, nodeName);
  const untilMs = nowMs + forMs;
  const leader = leaders[detail === 0 ? 0 : leaders.length - 1];
  const restore = (undo: () => void): void => timeline.after(forMs, undo);
  switch (fault.kind) {
    case "array-slow":
      array.slowMs = detail;
      return restore(() => (array.slowMs = 0));
    case "array-eio":
      array.failsUntilMs = Math.max(array.failsUntilMs, untilMs);
      return;
    case "array-hang":
      array.hungUntilMs = Math.max(array.hungUntilMs, untilMs);
      return;
    case "garbage-header": {
      const { header } = world.device;
      if (header.kind === "header") {
        world.device.header = GARBAGE;
        restore(() => (world.device.header = header));
      }
      return;
    }
    case "contract-shorter":
      return shortenContract(world, nodeName);
    case "leader-cut":
      if (leader !== undefined) {
        leader.cutUntilMs = untilMs;
      }
      return;
    case "leader-stale":
      if (leader !== undefined) {
        leader.staleUntilMs = untilMs;
      }
      return;
    case "api-slow":
      api.slowMs = detail;
      return restore(() => (api.slowMs = 0));
    case "request":
      api.createRemediation(nodeName, { healthCheck: false });
      return;
    case "request-deleted":
    case "request-again":
    case "request-forced":
    case "request-timeout":
      return changeRequests(world, nodeName, fault.kind);
    case "node-deleted":
      world.workloads.moveByNodeDeletion(nodeName);
      api.nodes.delete(nodeName);
      return;
    case "reprovision":
    case "two-machines":
      return reprovision(world, fault, machine);
    default:
      return injectIntoMachine(world, machine, fault);
  }
}

function injectIntoMachine(world: World, machine: Machine, fault: Fault): void {
  const { timeline, device } = world;
  const { nowMs } = timeline;
  const { forMs, detail } = fault;
  const { path, boot } = machine;
  const agent = boot?.agent ?? null;
  const untilMs = nowMs + forMs;
  const restore = (undo: () => void): void => timeline.after(forMs, undo);
  switch (fault.kind) {
    case "path-slow":
      path.slowMs = detail;
      return restore(() => (path.slowMs = 0));
    case "path-eio":
      path.failsUntilMs = Math.max(path.failsUntilMs, untilMs);
      return;
    case "path-hang":
      path.hungUntilMs = Math.max(path.hungUntilMs, untilMs);
      return;
    case "lost-write":
      path.lostWrites = detail;
      return;
    case "late-write":
      path.lateByMs = detail;
      return;
    case "torn-write":
      path.tornWrites = detail;
      return;
    case "fence-write":
      path.fenceWrites = FENCE_WRITE_FATES[detail] ?? "ok";
      return restore(() => (path.fenceWrites = "ok"));
    case "garbage-heartbeat":
      device.putHeartbeat(machine.nodeID, GARBAGE);
      return;
    case "garbage-fence":
      device.putFence(machine.nodeID, GARBAGE);
      return;
    case "blind-fence":
      path.blindUntilMs = untilMs;
      return;
    case "blank-device":
      return lead(machine, new SharedDevice({ kind: "empty" }, () => undefined), restore);
    case "foreign-device":
      return lead(machine, new SharedDevice(headerOf(foreignHeader()), () => undefined), restore);
    case "split-at-start":
      return splitAtStart(world, machine, forMs);
    case "split-storage":
      return lead(machine, device.fork(), restore);
    case "go-message": {
      const wallNs = BigInt(Math.round(WALL_START_MS + nowMs)) * 1_000_000n;
      const header = newFence(255, machine.nodeID, 1, FENCE_REASON_MANUAL, () => wallNs);
      const message = { header, targetNodeID: machine.nodeID, reason: FENCE_REASON_MANUAL };
      device.putFence(machine.nodeID, { kind: "bare-fence", message });
      return;
    }
    case "agent-kill":
      if (agent !== null && detail > 0) {
        agent.effectsLeft = detail;
      } else {
        agent?.kill();
      }
      return;
    case "agent-kill-loop":
      return killAgain(world, machine, untilMs, detail);
    case "agent-away":
      machine.agentAwayUntilMs = untilMs;
      agent?.kill();
      return;
    case "agent-stall":
      if (agent !== null) {
        agent.stalledUntilMs = untilMs;
      }
      return;
    case "agent-stop":
      agent?.stop(forMs);
      if (detail === 1) {
        restore(() => agent?.kill());
      }
      return;
    case "worker-died":
      agent?.replaceWorker();
      return;
    case "rollout":
      agent?.dispatch({ type: "terminate" });
      machine.agentAwayUntilMs = nowMs + NEW_POD_AFTER_MS;
      return restore(() => agent?.kill());
    case "slot-move":
      return moveSlot(world, machine);
    case "run-readonly":
      if (boot !== null) {
        boot.run.writable = false;
        restore(() => (boot.run.writable = true));
      }
      return;
    case "sysrq-broken":
      machine.sysrqWorks = false;
      if (boot !== null) {
        boot.guard.sysrqWorks = false;
        boot.watchHazard();
      }
      return;
    case "reset":
      return machine.die("a reset");
    case "power-off":
      return machine.powerOff(forMs, "the power goes");
    case "os-freeze":
      return boot?.freeze(forMs);
    case "suspend-short":
    case "suspend-long":
      return boot?.sleep(forMs, "count-it");
    case "vm-pause":
      return boot?.sleep(forMs, "miss-it");
    case "wall-step":
      machine.wallOffsetMs += detail;
      return;
    case "network-cut":
      machine.agentCutUntilMs = Math.max(machine.agentCutUntilMs, untilMs);
      machine.kubeletCutUntilMs = Math.max(machine.kubeletCutUntilMs, untilMs);
      return;
    case "agent-cut":
      machine.agentCutUntilMs = Math.max(machine.agentCutUntilMs, untilMs);
      return;
    case "kubelet-cut":
      machine.kubeletCutUntilMs = Math.max(machine.kubeletCutUntilMs, untilMs);
      return;
    case "confirm-off":
      return confirmOff(world, machine);
    case "late-watchdog":
      machine.watchdogLateness = detail;
      if (boot !== null) {
        boot.guard.lateness = detail;
      }
      return;
    case "queued-io":
      machine.queuedIoUntilMs = untilMs;
      return;
    case "admin-reboot":
      if (boot !== null) {
        boot.shuttingDown = true;
        boot.beyondBounds = true;
        boot.guard.close("without", nowMs);
        boot.guard.stopByKernel();
        agent?.end("process");
        boot.agent = null;
        restore(() => (boot.alive ? machine.die("reboot(2) comes to its end") : undefined));
      }
      return;
    case "autonomous-kubelet":
      machine.autonomous = true;
      return;
    default:
      throw new Error(`'${fault.kind}' is no fault of a machine`);
  }
}

/** Nobody is to do this while agents run; whoever does must not find a living node proven dead. */
function shortenContract(world: World, nodeName: string): void {
  const { header } = world.device;
  if (header.kind !== "header") {
    return;
  }
  const { timeoutMs, watchdogMs, generation } = header.header;
  world.device.header = headerOf({
    ...header.header,
    generation: generation + 1,
    timeoutMs: Math.max(SHORTEST_TIMEOUT_MS, Math.round(timeoutMs / 3_000) * 1_000),
    watchdogMs: Math.max(SHORTEST_WATCHDOG_MS, Math.round(watchdogMs / 3_000) * 1_000),
  });
  for (const { boot, nodeName: name } of world.machines) {
    if (name !== nodeName) {
      boot?.agent?.kill();
    }
  }
}

/** A write-back cache with a lost server: the node reads what it wrote, and nobody else does. */
function splitAtStart(world: World, machine: Machine, forMs: number): void {
  const { device, timeline } = world;
  const half = device.fork();
  const untilMs = timeline.nowMs + forMs;
  half.mirror = (nodeID, slot) => {
    if (timeline.nowMs < untilMs) {
      device.putHeartbeat(nodeID, slot);
    }
  };
  machine.path.device = half;
  machine.boot?.agent?.kill();
}

function newestMachine(world: World, nodeName: string): Machine {
  const machine = world.machines.findLast((known) => known.nodeName === nodeName);
  return machine ?? world.machines[0]!;
}

function lead(machine: Machine, to: SharedDevice, restore: (undo: () => void) => void): void {
  const { path, world } = machine;
  path.device = to;
  restore(() => (path.device = world.device));
}

function killAgain(world: World, machine: Machine, untilMs: number, everyMs: number): void {
  machine.boot?.agent?.kill();
  if (world.timeline.nowMs + everyMs < untilMs) {
    world.timeline.after(everyMs, () => killAgain(world, machine, untilMs, everyMs));
  }
}

/** The duplicate SBDNode goes again, and the agent that took its slot does not know. */
function moveSlot(world: World, machine: Machine): void {
  const { api, timeline } = world;
  const nodeID = machine.nodeID + SLOTS_APART;
  const name = `sbd-${nodeID}`;
  const { nodeName } = machine;
  if (nodeID > 2 * SLOTS_APART) {
    return;
  }
  api.sbdNodes.set(name, {
    name,
    nodeID,
    nodeName,
    leaving: false,
    armed: false,
    bootID: "",
    goodMs: -Infinity,
    blind: false,
  });
  const before = machine.nodeID;
  machine.nodeID = nodeID;
  machine.boot?.agent?.kill();
  timeline.after(DUPLICATE_STANDS_MS, () => {
    machine.nodeID = before;
    api.sbdNodes.delete(name);
  });
}

function reprovision(world: World, fault: Fault, old: Machine): void {
  const { timeline, api } = world;
  const random = world.random(`reprovision ${fault.atMs}`);
  for (const pod of world.workloads.pods) {
    for (const writer of pod.writers) {
      writer.excused ||= writer.boot.machine === old;
    }
  }
  if (fault.kind === "two-machines") {
    old.kubeletCutUntilMs = FOR_GOOD_MS;
    old.path.hungUntilMs = timeline.nowMs + fault.forMs;
    old.keepOff();
  } else if (fault.detail === 1) {
    old.agentCutUntilMs = FOR_GOOD_MS;
    old.kubeletCutUntilMs = FOR_GOOD_MS;
    old.path.failsUntilMs = FOR_GOOD_MS;
    old.keepOff();
  } else {
    old.powerOff(FOR_GOOD_MS, "an administrator switches it off");
  }
  api.nodes.delete(old.nodeName);
  world.workloads.moveByNodeDeletion(old.nodeName);
  const machine = new Machine(world, {
    label: `m${world.machines.length + 1}`,
    node: fault.node,
    hardware: chooseHardware(random, world.schedule),
  });
  world.machines.push(machine);
  machine.powerOn(machine.hardware.bootMs);
}

function confirmOff(world: World, machine: Machine): void {
  const { api } = world;
  const { boot } = machine;
  if (boot === null) {
    return;
  }
  machine.powerOff(FOR_GOOD_MS, "an administrator switches it off");
  const { bootID } = boot;
  const look = (): void => {
    for (const request of api.requestsFor(machine.nodeName)) {
      if (request.confirmation === null) {
        request.confirmation = { requestUID: request.uid, bootID, by: "admin", at: "now" };
        api.touch(request);
      }
    }
    if (world.timeline.nowMs < untilMs) {
      world.timeline.after(CONFIRM_EVERY_MS, look);
    }
  };
  const untilMs = world.timeline.nowMs + CONFIRM_WITHIN_MS;
  look();
}

function changeRequests(
  world: World,
  nodeName: string,
  change: "request-deleted" | "request-again" | "request-forced" | "request-timeout",
): void {
  const { api } = world;
  for (const request of api.requestsFor(nodeName)) {
    switch (change) {
      case "request-deleted":
        api.deleteRemediation(request);
        break;
      case "request-again":
        api.deleteRemediation(request);
        api.createRemediation(nodeName, { healthCheck: request.byHealthCheck });
        break;
      case "request-forced":
        request.finalizer = false;
        api.deleteRemediation(request);
        break;
      case "request-timeout":
        request.timedOut = true;
        api.touch(request);
    }
  }
}
