import { findSlot } from "../src/agent/api/own-slot.ts";
import { slotOnDevice } from "../src/agent/shell/slot-on-device.ts";
import { AgentProcess } from "./agent-process.ts";
import { CONFIG_NAME } from "./api-store.ts";
import { Guard } from "./guard.ts";
import { Kubelet } from "./kubelet.ts";
import type { Machine } from "./machine.ts";
import { RunMemory } from "./run-memory.ts";

const FIRST_RESTART_MS = 1_000;
const SLOT_AGAIN_AFTER_MS = 1_000;
const LOOK_AT_DEVICE_AFTER_MS = 3_000;
const SHUTDOWN_MS = 200;
/** Within the slack of every contract. */
const SLEEP_MS_MAX = 1_000;
const BACKOFF_MS = 10_000;
const BACKOFF_MS_MAX = 300_000;
const BACKOFF_FORGOTTEN_AFTER_MS = 600_000;

/** One boot of one machine: what ends with it all at once. */
export class Boot {
  readonly machine: Machine;
  readonly bootID: string;
  readonly startedMs: number;
  readonly run = new RunMemory();
  readonly guard: Guard;
  readonly kubelet: Kubelet;
  agent: AgentProcess | null = null;
  alive = true;
  /** Its watchdog backs the contract, by this boot's own word: armed and not released since. */
  armed = false;
  /** Latched, and the host or the fencer was told: nothing may pet on purpose any more. */
  condemned = false;
  /** Its latched agent has used the one keepalive it has. */
  shortened = false;
  frozenUntilMs = 0;
  /** True time that the unslewed clock, or every clock, has missed. */
  suspendedMs = 0;
  pausedMs = 0;
  /** The kernel shuts down, or hangs in it: workloads still write. */
  shuttingDown = false;
  /** A fault outside the claim has taken it beyond T + 2W, as was to be shown. */
  beyondBounds = false;
  #hazardMs = Infinity;
  #starts = 0;
  #restarts = 0;
  #lastStartMs = -Infinity;
  #startPending = false;
  #awaitsSlotSinceMs: number | null = null;

  constructor(machine: Machine, bootID: string) {
    this.machine = machine;
    this.bootID = bootID;
    this.startedMs = machine.world.timeline.nowMs;
    this.guard = new Guard(machine.hardware.watchdog, machine.sysrqWorks);
    this.guard.lateness = machine.watchdogLateness;
    this.kubelet = new Kubelet(this);
  }

  begin(): void {
    const { world, nodeName } = this.machine;
    world.say?.(`${nodeName} ${this.bootID} boots`);
    this.kubelet.begin();
  }

  end(why: string): void {
    const { world, nodeName } = this.machine;
    world.say?.(`${nodeName} ${this.bootID} DIES: ${why}`);
    this.alive = false;
    this.agent?.end("machine");
    this.agent = null;
    this.kubelet.end();
    world.invariants.bootEnded(this, why);
  }

  /** CLOCK_MONOTONIC_RAW plus suspended time. */
  livedMs(): number {
    const { world, hardware } = this.machine;
    return (world.timeline.nowMs - this.startedMs - this.pausedMs) * hardware.clockRate;
  }

  /** CLOCK_MONOTONIC_RAW. */
  rawMs(): number {
    return this.livedMs() - this.suspendedMs * this.machine.hardware.clockRate;
  }

  trueMs(livedMs: number): number {
    return this.startedMs + this.pausedMs + livedMs / this.machine.hardware.clockRate;
  }

  /** What the guard will do next may have changed. */
  watchHazard(): void {
    const hazard = this.guard.hazard();
    if (hazard !== null && hazard.atMs < this.#hazardMs) {
      this.#hazardMs = hazard.atMs;
      this.machine.world.timeline.at(hazard.atMs, () => this.#hazardDue(hazard.atMs));
    }
  }

  #hazardDue(dueMs: number): void {
    if (!this.alive || dueMs !== this.#hazardMs) {
      return;
    }
    const { timeline } = this.machine.world;
    this.#hazardMs = Infinity;
    this.guard.settle(timeline.nowMs);
    const hazard = this.guard.hazard();
    if (hazard !== null && hazard.atMs <= timeline.nowMs) {
      this.machine.die(hazard.by === "petter" ? "the petter's sysrq-b" : "its watchdog fired");
      return;
    }
    this.watchHazard();
  }

  /** The container, or a new pod, is started. */
  startAgent(delayMs: number): void {
    if (this.#startPending) {
      return;
    }
    this.#startPending = true;
    const { world } = this.machine;
    const atMs = Math.max(
      world.timeline.nowMs + delayMs,
      this.machine.agentAwayUntilMs,
      this.frozenUntilMs,
    );
    world.timeline.at(atMs, () => {
      this.#startPending = false;
      if (!this.alive || this.agent !== null || this.shuttingDown) {
        return;
      }
      if (world.timeline.nowMs < Math.max(this.machine.agentAwayUntilMs, this.frozenUntilMs)) {
        this.startAgent(0);
        return;
      }
      const nodeID = this.#findSlot();
      if (nodeID === null) {
        this.startAgent(SLOT_AGAIN_AFTER_MS);
        return;
      }
      this.#awaitsSlotSinceMs = null;
      this.#starts += 1;
      this.#lastStartMs = world.timeline.nowMs;
      const seed = `${this.machine.label}b${this.bootID}p${this.#starts}.`;
      this.agent = new AgentProcess(this, seed, nodeID);
      this.agent.begin();
    });
  }

  /**
   * As src/agent/shell/main.ts has it: what this boot has been told, else what its SBDNode tells, else
   * what an earlier boot has left on the device. Null: it waits, and opens and arms nothing.
   */
  #findSlot(): number | null {
    const { machine, run } = this;
    const { world, nodeName, machineID, path } = machine;
    const { nowMs } = world.timeline;
    if (run.slot !== null) {
      return run.slot;
    }
    this.#awaitsSlotSinceMs ??= nowMs;
    if (machine.agentReaches() && run.writable) {
      const found = findSlot(world.api.sbdNodes.list(), nodeName, CONFIG_NAME);
      if (found.kind === "found") {
        run.slot = found.nodeID;
        return found.nodeID;
      }
    }
    const reads =
      nowMs - this.#awaitsSlotSinceMs >= LOOK_AT_DEVICE_AFTER_MS &&
      nowMs >= path.hungUntil() &&
      !path.fails(nowMs);
    return reads ? slotOnDevice(path.device.heartbeats, { nodeName, machineID }) : null;
  }

  /** The agent's process is gone: the kernel closes what it held, and the kubelet starts another. */
  agentEnded(process: AgentProcess, how: "killed" | "exited"): void {
    if (this.agent !== process) {
      return;
    }
    const { world, nodeName } = this.machine;
    const { nowMs } = world.timeline;
    this.agent = null;
    const closed = this.guard.close("without", nowMs);
    if (how === "killed") {
      world.say?.(`${nodeName} agent killed; its watchdog ${closed}`);
    }
    this.watchHazard();
    if (nowMs - this.#lastStartMs > BACKOFF_FORGOTTEN_AFTER_MS) {
      this.#restarts = 0;
    }
    const delayMs =
      this.#restarts === 0
        ? FIRST_RESTART_MS
        : Math.min(BACKOFF_MS * 2 ** (this.#restarts - 1), BACKOFF_MS_MAX);
    this.#restarts += 1;
    this.startAgent(delayMs);
  }

  /**
   * reboot(2): the kernel's notifier may stop the watchdog, and then devices are shut down, which a disk
   * that hangs holds up. Programs run on meanwhile.
   */
  shutDown(): void {
    const { world, hardware, path } = this.machine;
    const finish = (): void => {
      if (!this.alive) {
        return;
      }
      if (world.timeline.nowMs < path.hungUntil()) {
        world.timeline.at(path.hungUntil(), finish);
        return;
      }
      this.machine.die("reboot(2) for its agent");
    };
    if (!this.shuttingDown) {
      this.shuttingDown = true;
      if (hardware.stopOnReboot) {
        this.guard.stopByKernel();
      }
      world.timeline.after(SHUTDOWN_MS, finish);
    }
  }

  freeze(forMs: number): void {
    const { timeline } = this.machine.world;
    this.frozenUntilMs = Math.max(this.frozenUntilMs, timeline.nowMs + forMs);
    this.guard.pausePetter(timeline.nowMs);
    this.watchHazard();
    timeline.at(this.frozenUntilMs, () => this.#thaw());
  }

  #thaw(): void {
    const { timeline } = this.machine.world;
    if (this.alive && timeline.nowMs >= this.frozenUntilMs) {
      if (this.agent?.isStopped() !== true) {
        this.guard.resumePetter(timeline.nowMs);
      }
      this.watchHazard();
    }
  }

  /** Everything stands still, the watchdog too. */
  sleep(forMs: number, clocks: "count-it" | "miss-it"): void {
    const { timeline } = this.machine.world;
    this.beyondBounds ||= forMs > SLEEP_MS_MAX;
    this.guard.pauseHardware(timeline.nowMs);
    this.freeze(forMs);
    timeline.after(forMs, () => {
      if (!this.alive) {
        return;
      }
      this.guard.resumeHardware(clocks, timeline.nowMs);
      if (clocks === "miss-it") {
        this.pausedMs += forMs;
      } else {
        this.suspendedMs += forMs;
      }
      this.watchHazard();
    });
  }
}
