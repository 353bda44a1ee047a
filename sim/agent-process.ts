import type { AgentConfig, WatchdogInspection } from "../src/agent/agent-config.ts";
import type { AgentState } from "../src/agent/agent-state.ts";
import { createAgentDriver, type AgentDriver } from "../src/agent/driver/agent-driver.ts";
import type {
  AgentDevice,
  AgentHostState,
  AgentWatch,
  AgentWatchdog,
} from "../src/agent/driver/agent-ports.ts";
import type { RebootMethod } from "../src/agent/effect.ts";
import type { FencerStepped } from "../src/fencing/driver/fencer-driver.ts";
import { narrateFencer } from "../src/fencing/driver/fencer-narration.ts";
import type { DualTimes } from "../src/observation/region-reading.ts";
import type { FenceSlot } from "../src/protocol/fence-record.ts";
import type { HeartbeatSlot } from "../src/protocol/heartbeat-record.ts";
import { AgentApi } from "./agent-api.ts";
import type { Boot } from "./boot.ts";
import { DiskWorker } from "./disk-worker.ts";
import { fenceDevice } from "./fence-device.ts";
import type { Random } from "./random.ts";
import { GARBAGE, heartbeatSlot, type SharedDevice } from "./shared-device.ts";
import { askedIn } from "./simulated-config.ts";
import { OWNER } from "./simulated-header.ts";
import { WALL_START_MS, type World } from "./world.ts";

const TICK_MS_BEFORE_HEADER = 500;
const TICK_MS_WHILE_DYING = 500;
const NO_FENCE: ReadonlyMap<number, FenceSlot> = new Map();
const NO_HEARTBEATS: ReadonlyMap<number, HeartbeatSlot> = new Map();

/**
 * One agent process: the driver that ships, with ports in virtual time. It may die before any effect,
 * stall, or be stopped.
 */
export class AgentProcess {
  readonly boot: Boot;
  readonly world: World;
  readonly driver: AgentDriver;
  readonly api: AgentApi;
  alive = true;
  /** JavaScript gets no event before this. */
  stalledUntilMs = 0;
  /** The whole process gets no CPU before this. */
  stoppedUntilMs = 0;
  /** So many more effects, then it dies; null = it does not. */
  effectsLeft: number | null = null;
  worker: DiskWorker;
  readonly #random: Random;
  /** When it last saw both regions. */
  #sightMs = -Infinity;

  constructor(boot: Boot, startSeed: string, nodeID: number) {
    const { machine } = boot;
    this.boot = boot;
    this.world = machine.world;
    this.#random = machine.random;
    this.worker = this.#newWorker();
    const config: AgentConfig = {
      nodeName: machine.nodeName,
      nodeID,
      bootID: boot.bootID,
      machineID: machine.machineID,
      virtual: machine.hardware.virtual,
      startSeed,
      asked: askedIn(machine.world.schedule),
      owner: OWNER,
      detectOnly: machine.hardware.detectOnly,
      rebootMethod: machine.hardware.rebootMethod,
      watchdogSurvivesReboot: !machine.hardware.stopOnReboot,
      acceptUnverifiedWatchdogs: false,
      watchdog: this.#inspectWatchdog(),
      memory: boot.run.beginStart(),
    };
    let nonces = 0;
    this.driver = createAgentDriver(config, {
      clock: {
        livedMs: () => boot.livedMs(),
        rawMs: () => boot.rawMs(),
        wallNs: () => this.wallNs(),
      },
      nonce: () => `${startSeed}${(nonces += 1)}`,
      device: this.#device(),
      watchdog: this.#watchdog(),
      hostState: this.#hostState(nodeID),
      send: (message) => this.api.receive(message),
      tell: (status) => this.api.tell(status),
      reboot: (method) => this.#reboot(method),
      exit: (code) => this.#exit(code),
      log: (level, message) => {
        if (level !== "debug") this.#say(`${level}: ${message}`);
      },
      // A trace has it from `fencerStepped`.
      logFencing: () => undefined,
      watch: this.#watch(),
    });
    this.api = new AgentApi(this);
  }

  get state(): AgentState {
    return this.driver.state;
  }

  begin(): void {
    const { machine } = this.boot;
    this.world.say?.(
      `${machine.nodeName} agent starts in ${this.boot.bootID}, slot ${this.state.config.nodeID}`,
    );
    this.world.coverage.agentStarted(this.state);
    this.#tick();
    this.api.begin();
  }

  /** The process is gone. What it held, its boot closes. */
  end(how: "process" | "machine"): void {
    this.alive = false;
    this.driver.end();
    this.worker.abandon(how);
  }

  /** Dies now, at whatever boundary this is. */
  kill(): void {
    if (this.alive) {
      this.end("process");
      this.boot.agentEnded(this, "killed");
    }
  }

  isStopped(): boolean {
    return this.world.timeline.nowMs < this.stoppedUntilMs;
  }

  stop(forMs: number): void {
    const { timeline } = this.world;
    this.stoppedUntilMs = timeline.nowMs + forMs;
    this.boot.guard.pausePetter(timeline.nowMs);
    this.boot.watchHazard();
    timeline.after(forMs, () => {
      if (this.alive && !this.isStopped() && timeline.nowMs >= this.boot.frozenUntilMs) {
        this.boot.guard.resumePetter(timeline.nowMs);
        this.boot.watchHazard();
      }
    });
  }

  replaceWorker(): void {
    const dead = this.worker;
    const queue = dead.takeQueue();
    this.worker = this.#newWorker();
    this.whenRunning(() => this.driver.diskWorkerReplaced());
    dead.abandon("worker");
    for (const request of queue) {
      this.worker.submit(request);
    }
  }

  /** Runs once JavaScript runs; not at all when the process is gone. */
  whenRunning(run: () => void): void {
    if (!this.alive) {
      return;
    }
    const awakeMs = Math.max(this.stalledUntilMs, this.stoppedUntilMs, this.boot.frozenUntilMs);
    if (this.world.timeline.nowMs < awakeMs) {
      this.world.timeline.at(awakeMs, () => this.whenRunning(run));
      return;
    }
    run();
  }

  /** Whether nothing is missing where the last of something is so old, in this agent's rhythm. */
  isOnTime(ageMs: number): boolean {
    return ageMs <= 1.5 * this.#tickMs();
  }

  #watch(): AgentWatch {
    const { coverage, invariants } = this.world;
    return {
      stepped: (before, after) => {
        coverage.agentStepped(before, after);
        invariants.agentStepped(this, before, after);
        if (after.life.kind === "latched" && before.life.kind !== "latched") {
          this.#killLatched();
        }
      },
      before: () => this.#countDown(),
      fencerStepped: (step) => this.#fencerStepped(step),
    };
  }

  #killLatched(): void {
    const { machine } = this.boot;
    if (machine.killLatchedAfterMs !== null) {
      this.world.timeline.after(machine.killLatchedAfterMs, () => this.kill());
      machine.killLatchedAfterMs = null;
    }
  }

  #countDown(): void {
    if (this.effectsLeft === 0) {
      this.kill();
    } else if (this.effectsLeft !== null) {
      this.effectsLeft -= 1;
    }
  }

  #watchdog(): AgentWatchdog {
    const { boot, world } = this;
    const { guard } = boot;
    const { invariants, timeline } = world;
    return {
      open: (timeoutSeconds) => {
        if (guard.open(timeline.nowMs)) {
          invariants.petted(boot, "open");
        }
        const reportedSeconds = guard.set(timeoutSeconds, timeline.nowMs);
        invariants.petted(boot, "set");
        boot.watchHazard();
        this.#say(`opens its watchdog: ${timeoutSeconds} s, it reports ${reportedSeconds} s`);
        return { reportedSeconds, options: null };
      },
      look: () => this.#inspectWatchdog(),
      startPetter: (periodMs, deadlineMs, selfFence) =>
        this.#startPetter(periodMs, deadlineMs, selfFence),
      pushDeadline: (deadlineMs) => {
        if (guard.push(boot.trueMs(deadlineMs), timeline.nowMs)) {
          invariants.petted(boot, "petter");
        }
        boot.watchHazard();
      },
      latch: () => {
        guard.latchPetter(timeline.nowMs);
        boot.watchHazard();
        this.#say("latches");
      },
      shorten: (timeoutSeconds) => {
        const reportedSeconds = guard.set(timeoutSeconds, timeline.nowMs);
        guard.pet(timeline.nowMs);
        invariants.petted(boot, "latched");
        boot.watchHazard();
        this.#say(`shortens its watchdog: ${timeoutSeconds} s, it reports ${reportedSeconds} s`);
        return { ok: true, reportedSeconds };
      },
      release: () => {
        guard.stopPetter(timeline.nowMs);
        this.#say(`releases its watchdog: ${guard.close("magic", timeline.nowMs)}`);
        boot.armed = false;
        boot.watchHazard();
      },
      stretch: () => {
        guard.stopPetter(timeline.nowMs);
        guard.setLongest(timeline.nowMs);
        invariants.petted(boot, "set");
        boot.armed = false;
        boot.watchHazard();
      },
      petCounts: () => ({ pets: 0, petErrors: 0 }),
    };
  }

  #startPetter(periodMs: number, deadlineMs: number, selfFence: boolean): void {
    const { boot, world } = this;
    const rate = boot.machine.hardware.clockRate;
    const start = { periodMs: periodMs / rate, deadlineMs: boot.trueMs(deadlineMs), selfFence };
    const outcome = boot.guard.startPetter(start, world.timeline.nowMs);
    if (outcome === "started") {
      world.invariants.petted(boot, "petter");
      boot.armed ||= selfFence;
    }
    boot.watchHazard();
    if (outcome !== "started") {
      // The native thread refuses, and the shell lets that end the process.
      this.#say(`cannot start its petter: ${outcome}`);
      this.kill();
    }
  }

  #hostState(nodeID: number): AgentHostState {
    const { boot } = this;
    const { run } = boot;
    return {
      keepFirstRead: ({ deviceUUID }, messages) => run.keepFirstRead(deviceUUID, messages),
      forgetUncleanStarts: () => run.forgetUncleanStarts(),
      recordLatch: (mark) => {
        run.keepMark(mark);
        boot.condemned = true;
      },
      recordSlot: (told) => {
        run.recordSlot(told.nodeID);
        this.#say(`has slot ${told.nodeID} now, and leaves ${nodeID}`);
      },
      endInOrder: (end) => run.endInOrder(end),
      disown: () => run.disown(),
    };
  }

  #reboot(method: RebootMethod): void {
    this.#say(`reboots: ${method}`);
    if (method === "systemctl-reboot") {
      this.boot.shutDown();
    } else if (this.boot.guard.sysrqWorks) {
      this.boot.machine.die("sysrq-b by its agent");
    }
  }

  #exit(code: number): void {
    this.#say(`exits with ${code}`);
    this.end("process");
    this.boot.agentEnded(this, "exited");
  }

  #tick(): void {
    this.whenRunning(() => {
      this.driver.tick();
      if (!this.alive) {
        return;
      }
      this.world.timeline.after(this.#tickMs(), () => this.#tick());
    });
  }

  /** Coarser than p where the schedule says so; a slow agent is still a correct one. */
  #tickMs(): number {
    const { life, device } = this.state;
    if (life.kind !== "serving") {
      return TICK_MS_WHILE_DYING;
    }
    if (device === null) {
      return TICK_MS_BEFORE_HEADER;
    }
    const { passIntervalMs, timeoutMs } = device.timing;
    return Math.max(passIntervalMs, Math.min(this.world.schedule.passMs, timeoutMs / 9));
  }

  #device(): AgentDevice {
    return {
      ...fenceDevice(this),
      readPass: (nodeID, answer) => this.#readPass(nodeID, answer),
      writeHeartbeat: (record, urgency, answer) => {
        const { nodeID } = record;
        const write = {
          land: (device: SharedDevice) => {
            device.putHeartbeat(nodeID, heartbeatSlot(record));
            if (record.fenced || record.leaving) {
              this.#say(record.fenced ? "acknowledges on the device" : "writes leaving");
            }
          },
          tear: (device: SharedDevice) => device.putHeartbeat(nodeID, GARBAGE),
          readBack: null,
        };
        const done = (error: string | null): void =>
          this.whenRunning(() =>
            answer(error === null ? { ok: true, reply: null } : failed(error)),
          );
        this.worker.submit({ read: null, write, done }, urgency === "urgent" ? urgency : undefined);
      },
      readRegions: (answer) => this.#readRegions(answer),
    };
  }

  #readPass(nodeID: number, answer: Parameters<AgentDevice["readPass"]>[1]): void {
    const { boot, world } = this;
    const { path } = boot.machine;
    let header = world.device.header;
    let fence: FenceSlot = { kind: "empty" };
    let heartbeat: HeartbeatSlot = { kind: "empty" };
    this.worker.submit({
      write: null,
      read: (device, moment) => {
        if (moment === "heartbeats") {
          header = device.header;
          fence = world.timeline.nowMs < path.blindUntilMs ? GARBAGE : device.fence(nodeID);
        } else {
          heartbeat = device.heartbeat(nodeID);
        }
      },
      done: (error) =>
        this.#onWorker(() => {
          const uptimeMs = Math.floor(boot.livedMs());
          const wallNs = this.wallNs();
          const reply = { header, fence, heartbeat, samePath: true, uptimeMs, wallNs };
          this.whenRunning(() => answer(error === null ? { ok: true, reply } : failed(error)));
        }),
    });
  }

  #readRegions(answer: Parameters<AgentDevice["readRegions"]>[0]): void {
    const { boot } = this;
    const at = (): Instant => ({ livedMs: boot.livedMs(), rawMs: boot.rawMs() });
    const started = at();
    let between = started;
    let heartbeats = NO_HEARTBEATS;
    let fences = NO_FENCE;
    this.worker.submit({
      write: null,
      read: (device, moment) => {
        if (moment === "heartbeats") {
          heartbeats = device.heartbeats;
          between = at();
        } else {
          fences = device.fences;
        }
      },
      done: (error) => {
        const heartbeatsTimes = around(started, between);
        const fencesTimes = around(between, at());
        this.whenRunning(() => {
          if (error !== null) {
            answer(failed(error));
            return;
          }
          this.#sightMs = boot.livedMs();
          answer({ ok: true, reply: { heartbeats, fences, heartbeatsTimes, fencesTimes } });
        });
      },
    });
  }

  /** Between two looks at the device, where a finer rhythm would have more. */
  reportFencing(): void {
    if (this.isOnTime(this.boot.livedMs() - this.#sightMs)) {
      this.driver.fencers.report();
    }
  }

  #fencerStepped(step: FencerStepped): void {
    const { before, after, effects } = step;
    const { coverage, invariants } = this.world;
    const { nodeName } = this.state.config;
    coverage.fencerStepped(before, after);
    for (const { uid, proof } of after.requests) {
      const known = before.requests.find((request) => request.uid === uid);
      if (proof !== null && known?.proof == null) {
        invariants.proved(uid, proof, after);
      }
    }
    for (const line of this.world.say === null ? [] : narrateFencer(step)) {
      this.world.say?.(`${nodeName} ${line}`);
    }
    for (const effect of effects) {
      if (effect.type === "write-fence") {
        const { record } = effect;
        this.world.say?.(
          `${nodeName} fencer writes message ${record.epoch} to ${after.config.target.nodeName}, ` +
            record.targetBootID,
        );
        invariants.messageWritten(
          after.config.target.nodeName,
          record,
          after.requests.map(({ uid }) => uid),
        );
      }
    }
  }

  wallNs(): bigint {
    const { wallOffsetMs } = this.boot.machine;
    return (
      BigInt(Math.round(WALL_START_MS + this.world.timeline.nowMs + wallOffsetMs)) * 1_000_000n
    );
  }

  /** What the worker's thread does after its I/O: a stalled main isolate does not hold it up. */
  #onWorker(run: () => void): void {
    const awakeMs = Math.max(this.stoppedUntilMs, this.boot.frozenUntilMs);
    if (this.world.timeline.nowMs < awakeMs) {
      this.world.timeline.at(awakeMs, () => this.#onWorker(run));
      return;
    }
    if (this.alive) {
      run();
    }
  }

  #newWorker(): DiskWorker {
    const { machine } = this.boot;
    return new DiskWorker(this.world.timeline, this.#random, machine.path);
  }

  #inspectWatchdog(): WatchdogInspection {
    const { watchdog } = this.boot.machine.hardware;
    return watchdog === null
      ? { kind: "absent", path: "/dev/watchdog", detail: "no such device" }
      : {
          kind: "present",
          path: "/dev/watchdog",
          facts: watchdog.facts,
          ticking: this.boot.guard.ticking,
        };
  }

  #say(what: string): void {
    this.world.say?.(`${this.boot.machine.nodeName} agent ${what}`);
  }
}

type Instant = { readonly livedMs: number; readonly rawMs: number };

function around(started: Instant, ended: Instant): DualTimes {
  return {
    startedLivedMs: started.livedMs,
    endedLivedMs: ended.livedMs,
    startedRawMs: started.rawMs,
    endedRawMs: ended.rawMs,
  };
}

function failed(error: string): { readonly ok: false; readonly error: string } {
  return { ok: false, error };
}
