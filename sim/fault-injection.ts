import { FENCE_REASON_MANUAL } from "../src/protocol/fence-reason.ts";
import { newFence } from "../src/protocol/message.ts";
import { CONFIG_NAME, uidOf } from "./api-store.ts";
import type { Fault } from "./fault.ts";
import { chooseHardware } from "./hardware.ts";
import { deleteNode } from "./kube-controllers.ts";
import { Machine } from "./machine.ts";
import { mergePatch } from "./object-store.ts";
import type { OperatorReplica } from "./operator-replica.ts";
import { GARBAGE, headerOf, SharedDevice } from "./shared-device.ts";
import { foreignHeader } from "./simulated-header.ts";
import { wallAt, WALL_START_MS, type World } from "./world.ts";

const FENCE_WRITE_FATES = ["ok", "lost", "torn", "fails", "late"] as const;
const SHORTEST_TIMEOUT_MS = 4_000;
const SHORTEST_WATCHDOG_MS = 4_000;
const SLOTS_APART = 10;
const FOR_GOOD_MS = 1e12;
const NEW_POD_AFTER_MS = 3_000;
const CONFIRM_EVERY_MS = 10_000;
const CONFIRM_WITHIN_MS = 600_000;

/** Lets one fault happen now. */
export function injectFault(
  world: World,
  replicas: readonly OperatorReplica[],
  fault: Fault,
): void {
  const { timeline, array, api } = world;
  const { nowMs } = timeline;
  const { forMs, detail } = fault;
  const nodeName = `worker-${fault.node}`;
  const machine = newestMachine(world, nodeName);
  const untilMs = nowMs + forMs;
  const replica = replicas[detail === 0 ? 0 : replicas.length - 1];
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
      if (replica !== undefined) {
        replica.cutUntilMs = Math.max(replica.cutUntilMs, untilMs);
      }
      return;
    case "leader-stale":
      replica?.lookBack(untilMs);
      return;
    case "leader-restart":
      replica?.restart();
      return;
    case "api-slow":
      api.slowMs = detail;
      return restore(() => (api.slowMs = 0));
    case "api-steady":
      api.steadyMs = detail;
      return restore(() => (api.steadyMs = null));
    case "request":
      api.createRemediation(nodeName, "administrator");
      return;
    case "request-deleted":
    case "request-again":
    case "request-forced":
    case "request-timeout":
      return changeRequests(world, nodeName, fault.kind);
    case "node-deleted":
      deleteNode(world, nodeName);
      return;
    case "reprovision":
    case "two-machines":
    case "two-kubelets":
      return reprovision(world, fault, machine);
    case "vm-clone":
    case "vm-clone-beside":
      return startAgain(world, fault, machine);
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
      device.putHeartbeat(slotOf(machine), GARBAGE);
      return;
    case "garbage-fence":
      device.putFence(slotOf(machine), GARBAGE);
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
      const header = newFence(255, slotOf(machine), 1, FENCE_REASON_MANUAL, () => wallNs);
      const message = { header, targetNodeID: slotOf(machine), reason: FENCE_REASON_MANUAL };
      device.putFence(slotOf(machine), { kind: "bare-fence", message });
      return;
    }
    case "agent-kill":
      if (agent !== null && detail > 0) {
        agent.effectsLeft = detail;
      } else {
        agent?.kill();
      }
      return;
    case "agent-kill-latched":
      machine.killLatchedAfterMs = detail;
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
      agent?.whenRunning(() => agent.driver.terminate());
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
    case "confirm-true-word":
      return confirm(world, machine.nodeName, machine.lastOverBootID);
    case "late-watchdog":
      machine.watchdogLateness = detail;
      if (boot !== null) {
        boot.guard.lateness = detail;
        boot.beyondBounds = true;
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

/** A leader that had not seen its slot gave the node another, and its agent has seen only that one. */
function moveSlot({ api }: World, { boot, node, nodeName }: Machine): void {
  const config = api.configs.get(CONFIG_NAME)!;
  const nodeID = node + SLOTS_APART;
  const given = api.createSBDNode(
    { configName: CONFIG_NAME, nodeName, nodeID },
    { name: CONFIG_NAME, uid: uidOf(config) },
  );
  if (given && boot !== null && boot.run.writable) {
    boot.run.slot = nodeID;
    boot.agent?.kill();
  }
}

function slotOf({ boot, node }: Machine): number {
  return boot?.agent?.state.config.nodeID ?? boot?.run.slot ?? node;
}

function reprovision(world: World, fault: Fault, old: Machine): void {
  const { timeline } = world;
  const random = world.random(`reprovision ${fault.atMs}`);
  world.workloads.excuse(old.nodeName);
  if (fault.kind === "two-kubelets") {
    world.workloads.excuseForGood(old.nodeName);
    old.keepOff();
  } else if (fault.kind === "two-machines") {
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
  deleteNode(world, old.nodeName);
  const machine = new Machine(world, {
    label: `m${world.machines.length + 1}`,
    node: fault.node,
    hardware: chooseHardware(random, world.schedule),
  });
  world.machines.push(machine);
  machine.powerOn(machine.hardware.bootMs);
}

function confirmOff(world: World, machine: Machine): void {
  const { boot } = machine;
  if (boot === null) {
    return;
  }
  machine.powerOff(FOR_GOOD_MS, "an administrator switches it off");
  const { bootID } = boot;
  const look = (): void => {
    confirm(world, machine.nodeName, bootID);
    if (world.timeline.nowMs < untilMs) {
      world.timeline.after(CONFIRM_EVERY_MS, look);
    }
  };
  const untilMs = world.timeline.nowMs + CONFIRM_WITHIN_MS;
  look();
}

/**
 * As a hypervisor's HA does that has lost sight of a host: the same ID and name, another machine. Of a
 * boot that no watchdog ends nothing could be proven, so that is left out.
 */
function startAgain(world: World, fault: Fault, old: Machine): void {
  const { timeline } = world;
  const isBeside = fault.kind === "vm-clone-beside";
  if (!isBeside && old.boot?.armed !== true) {
    return;
  }
  world.workloads.excuse(old.nodeName);
  old.keepOff();
  if (!isBeside) {
    const storageGoneMs = fault.detail === 0 ? FOR_GOOD_MS : timeline.nowMs + 3 * fault.forMs;
    old.agentCutUntilMs = FOR_GOOD_MS;
    old.kubeletCutUntilMs = FOR_GOOD_MS;
    old.path.hungUntilMs = Math.max(old.path.hungUntilMs, storageGoneMs);
  }
  const again = new Machine(world, {
    label: `m${world.machines.length + 1}`,
    machineID: old.machineID,
    node: fault.node,
    hardware: old.hardware,
  });
  world.machines.push(again);
  again.powerOn(Math.max(1, fault.forMs));
}

/** The same word for each request that has none yet. */
function confirm({ api, timeline }: World, nodeName: string, bootID: string): void {
  for (const request of api.requestsFor(nodeName)) {
    if (bootID !== "" && request.status.confirmation === undefined) {
      const confirmation = {
        requestUID: uidOf(request),
        bootID,
        by: "admin",
        time: wallAt(timeline.nowMs),
      };
      api.remediations.update(request.metadata.name, (now) => ({
        ...now,
        status: mergePatch(now.status, { confirmation }),
      }));
    }
  }
}

function changeRequests(
  world: World,
  nodeName: string,
  change: "request-deleted" | "request-again" | "request-forced" | "request-timeout",
): void {
  const { api } = world;
  for (const { metadata } of api.requestsFor(nodeName)) {
    switch (change) {
      case "request-deleted":
        api.remediations.delete(metadata.name);
        break;
      case "request-again":
        api.remediations.delete(metadata.name);
        api.createRemediation(nodeName, "administrator");
        break;
      case "request-forced":
        world.invariants.finalizersForced(nodeName);
        api.remediations.remove(metadata.name);
        break;
      case "request-timeout":
        api.timeOut(metadata.name);
    }
  }
}
