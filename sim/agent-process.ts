import type { AgentConfig, WatchdogInspection } from "../src/agent/agent-config.ts";
import { initialAgentState, type AgentState } from "../src/agent/agent-state.ts";
import { stepAgent } from "../src/agent/agent.ts";
import type { AgentEffect } from "../src/agent/effect.ts";
import type { AgentEvent } from "../src/agent/event.ts";
import type { FencerStepped } from "../src/fencing/driver/fencer-driver.ts";
import { createFencerHost, type FencerHost } from "../src/fencing/driver/fencer-host.ts";
import { narrateFencer } from "../src/fencing/driver/fencer-narration.ts";
import {
  createSlotTaskDriver,
  type SlotTaskDriver,
} from "../src/fencing/driver/slot-task-driver.ts";
import type { FromFencer } from "../src/fencing/driver/fencer-message.ts";
import type { FromSlotTasks } from "../src/fencing/driver/slot-task-message.ts";
import type { FencesReading, HeartbeatsReading } from "../src/observation/region-reading.ts";
import { sightFences, sightHeartbeats } from "../src/observation/sightings.ts";
import type { FenceSlot } from "../src/protocol/fence-record.ts";
import type { HeartbeatRecord, HeartbeatSlot } from "../src/protocol/heartbeat-record.ts";
import { AgentApi } from "./agent-api.ts";
import type { Boot } from "./boot.ts";
import { DiskWorker } from "./disk-worker.ts";
import { fenceDevice } from "./fence-device.ts";
import type { Random } from "./random.ts";
import { GARBAGE, heartbeatSlot } from "./shared-device.ts";
import { askedIn } from "./simulated-config.ts";
import { OWNER } from "./simulated-header.ts";
import { WALL_START_MS, type World } from "./world.ts";

const TICK_MS_BEFORE_HEADER = 500;
const TICK_MS_WHILE_DYING = 500;
const NO_FENCE: ReadonlyMap<number, FenceSlot> = new Map();
const NO_HEARTBEATS: ReadonlyMap<number, HeartbeatSlot> = new Map();

/**
 * One agent process: the production core, and a shell that does in virtual time what
 * src/agent/shell/agent-process.ts does in real time, effect by effect. It may die between any two.
 */
export class AgentProcess {
  readonly boot: Boot;
  readonly world: World;
  readonly fencers: FencerHost;
  readonly slotTasks: SlotTaskDriver;
  readonly api: AgentApi;
  state: AgentState;
  alive = true;
  /** JavaScript gets no event before this. */
  stalledUntilMs = 0;
  /** The whole process gets no CPU before this. */
  stoppedUntilMs = 0;
  /** So many more effects, then it dies; null = it does not. */
  effectsLeft: number | null = null;
  worker: DiskWorker;
  readonly #random: Random;
  readonly #pending: AgentEvent[] = [];
  #stepping = false;
  /** When this process first read the slots; null before. */
  watchingSinceMs: number | null = null;
  #movingSlot = false;
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
      machineID: machine.label,
      startSeed,
      asked: askedIn(machine.world.schedule),
      owner: OWNER,
      detectOnly: machine.hardware.detectOnly,
      rebootMethod: "panic",
      watchdogSurvivesReboot: false,
      acceptUnverifiedWatchdogs: false,
      watchdog: this.#inspectWatchdog(),
      memory: boot.run.beginStart(),
    };
    this.state = initialAgentState(config);
    this.api = new AgentApi(this);
    let nonces = 0;
    const shared = {
      name: config.nodeName,
      nodeID,
      clock: { rawMs: () => boot.rawMs(), wallNs: () => this.wallNs() },
      nonce: () => `${startSeed}${(nonces += 1)}`,
      device: fenceDevice(this),
      send: (message: FromFencer | FromSlotTasks) => this.api.receive(message),
      contract: () => this.contract(),
      log: () => undefined,
    };
    this.fencers = createFencerHost({
      ...shared,
      stepped: (step) => this.#fencerStepped(step),
    });
    this.slotTasks = createSlotTaskDriver({
      ...shared,
      sightings: () => this.fencers.sightings,
      keepOnly: (nodeName, uids) => this.fencers.keepOnly(nodeName, uids),
    });
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
    this.dispatch({ type: "disk-worker-replaced" });
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

  dispatch(event: AgentEvent): void {
    this.whenRunning(() => this.#receive(event));
  }

  /** The device's contract while this agent may fence for others. */
  contract(): { readonly timeoutMs: number; readonly watchdogMs: number } | null {
    const { life, lastGood, device } = this.state;
    return life.kind === "serving" && lastGood !== null ? (device?.timing ?? null) : null;
  }

  /** Its SBDNode is another by now: leave this slot in order, and let the next start take that one. */
  slotTold(nodeID: number): void {
    if (nodeID === this.state.config.nodeID || this.#movingSlot || !this.boot.run.writable) {
      return;
    }
    this.#movingSlot = true;
    this.#say(`has slot ${nodeID} now, and leaves ${this.state.config.nodeID}`);
    this.boot.run.slot = nodeID;
    this.dispatch({ type: "terminate" });
  }

  /** Whether nothing is missing where the last of something is so old, in this agent's rhythm. */
  isOnTime(ageMs: number): boolean {
    return ageMs <= 1.5 * this.#tickMs();
  }

  /** Effects that answer at once queue their events, so that a step's effects stay in order. */
  #receive(event: AgentEvent): void {
    this.#pending.push(event);
    if (this.#stepping) {
      return;
    }
    this.#stepping = true;
    for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) {
      const before = this.state;
      const { state, effects } = stepAgent(before, next, this.boot.livedMs());
      this.state = state;
      this.world.coverage.agentStepped(before, state);
      this.world.invariants.agentStepped(this, before, state);
      if (state.life.kind !== before.life.kind) {
        this.api.tellStatus();
      }
      for (const effect of effects) {
        if (!this.#mayPerform()) {
          return;
        }
        this.#perform(effect);
        if (!this.alive) {
          return;
        }
      }
      if (state.unconfirmedWrite && !before.unconfirmedWrite) {
        this.boot.run.noteUnconfirmedWrite();
      }
    }
    this.#stepping = false;
  }

  #mayPerform(): boolean {
    if (this.effectsLeft === null) {
      return true;
    }
    if (this.effectsLeft === 0) {
      this.kill();
      return false;
    }
    this.effectsLeft -= 1;
    return true;
  }

  #perform(effect: AgentEffect): void {
    const { boot, world } = this;
    const { guard, run } = boot;
    const { nowMs } = world.timeline;
    switch (effect.type) {
      case "read-pass":
        this.#readPass(effect.pass);
        return;
      case "write-heartbeat": {
        const { pass, record } = effect;
        this.#write(record, undefined, (error) =>
          error === null
            ? { type: "heartbeat-written", pass }
            : { type: "pass-failed", pass, error },
        );
        return;
      }
      case "read-regions":
        this.#readRegions();
        return;
      case "keep-first-read":
        this.#receive(
          run.keepFirstRead(effect.deviceUUID, effect.messages)
            ? { type: "first-read-kept" }
            : { type: "first-read-failed", error: "EROFS or owned" },
        );
        return;
      case "forget-unclean-starts":
        run.forgetUncleanStarts();
        return;
      case "open-watchdog": {
        if (boot.livedMs() >= effect.notAfterMs) {
          this.#receive({ type: "watchdog-late" });
          return;
        }
        if (guard.open(nowMs)) {
          world.invariants.petted(boot, "open");
        }
        const reportedSeconds = guard.set(effect.timeoutSeconds, nowMs);
        world.invariants.petted(boot, "set");
        boot.watchHazard();
        this.#say(
          `opens its watchdog: ${effect.timeoutSeconds} s, it reports ${reportedSeconds} s`,
        );
        this.#receive({ type: "watchdog-opened", reportedSeconds, options: null });
        return;
      }
      case "start-petter":
        this.#startPetter(effect);
        return;
      case "push-deadline":
        if (guard.push(boot.trueMs(effect.deadlineMs), nowMs)) {
          world.invariants.petted(boot, "petter");
        }
        boot.watchHazard();
        return;
      case "latch-petter":
        guard.latchPetter(nowMs);
        boot.watchHazard();
        this.#say("latches");
        return;
      case "shorten-watchdog": {
        const { timeoutSeconds, notAfterMs } = effect;
        if (boot.livedMs() >= notAfterMs) {
          const error = "the deadline has passed";
          this.#receive({ type: "watchdog-not-shortened", refused: false, error });
          return;
        }
        const reportedSeconds = guard.set(timeoutSeconds, nowMs);
        guard.pet(nowMs);
        world.invariants.petted(boot, "latched");
        boot.watchHazard();
        this.#say(`shortens its watchdog: ${timeoutSeconds} s, it reports ${reportedSeconds} s`);
        this.#receive({ type: "watchdog-shortened", reportedSeconds });
        return;
      }
      case "keep-mark":
        if (run.keepMark(effect.mark)) {
          boot.condemned = true;
          this.#receive({ type: "mark-kept" });
        } else {
          this.#receive({ type: "mark-failed", error: "EROFS" });
        }
        return;
      case "acknowledge":
        this.#write(effect.record, "urgent", (error) =>
          error === null ? { type: "acknowledged" } : { type: "acknowledge-failed", error },
        );
        return;
      case "reboot":
        this.#reboot(effect.method);
        return;
      case "release-watchdog":
        guard.stopPetter(nowMs);
        this.#say(`releases its watchdog: ${guard.close("magic", nowMs)}`);
        boot.armed = false;
        boot.watchHazard();
        return;
      case "stretch-watchdog":
        guard.stopPetter(nowMs);
        guard.setLongest(nowMs);
        world.invariants.petted(boot, "set");
        boot.armed = false;
        boot.watchHazard();
        return;
      case "ask-vouch": {
        const { id } = effect;
        this.api.askToVouch(effect, (openRequests) => {
          this.dispatch({ type: "vouch-read", id, openRequests });
        });
        return;
      }
      case "exit":
        this.#exit(effect.code);
        return;
      case "log":
        if (effect.level !== "debug") {
          this.#say(`${effect.level}: ${effect.message}`);
        }
    }
  }

  #startPetter(effect: AgentEffect & { readonly type: "start-petter" }): void {
    const { boot, world } = this;
    const { periodMs, selfFence } = effect;
    const rate = boot.machine.hardware.clockRate;
    const deadlineMs = boot.trueMs(effect.deadlineMs);
    const start = { periodMs: periodMs / rate, deadlineMs, selfFence };
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

  #reboot(method: "panic" | "systemctl-reboot"): void {
    this.#say(`reboots: ${method}`);
    if (this.boot.guard.sysrqWorks) {
      this.boot.machine.die("sysrq-b by its agent");
    }
  }

  #exit(code: number): void {
    if (code === 0) {
      const { watchdog, lastWritten } = this.state;
      const released = watchdog.kind === "released" && lastWritten?.leaving === true;
      this.boot.run.endInOrder({ released });
    }
    this.#say(`exits with ${code}`);
    this.end("process");
    this.boot.agentEnded(this, "exited");
  }

  #tick(): void {
    this.whenRunning(() => {
      this.#receive({ type: "tick" });
      if (!this.alive) {
        return;
      }
      if (this.state.life.kind === "serving") {
        this.fencers.tick();
      }
      this.slotTasks.tick();
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

  #readPass(pass: number): void {
    const { boot, world } = this;
    const { path } = boot.machine;
    const { nodeID } = this.state.config;
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
          this.dispatch(
            error === null
              ? {
                  type: "pass-read",
                  pass,
                  header,
                  fence,
                  heartbeat,
                  samePath: true,
                  uptimeMs: Math.floor(boot.livedMs()),
                  wallNs: this.wallNs(),
                }
              : { type: "pass-failed", pass, error },
          );
        }),
    });
  }

  #readRegions(): void {
    const { boot } = this;
    const at = (): { readonly livedMs: number; readonly rawMs: number } => ({
      livedMs: boot.livedMs(),
      rawMs: boot.rawMs(),
    });
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
        const ended = at();
        this.whenRunning(() => {
          if (error !== null) {
            this.#receive({ type: "regions-failed", error });
            return;
          }
          this.watchingSinceMs ??= between.livedMs;
          this.#receive({
            type: "heartbeats-read",
            reading: { startedMs: started.livedMs, endedMs: between.livedMs, slots: heartbeats },
          });
          this.#receive({
            type: "fences-read",
            reading: { startedMs: between.livedMs, endedMs: ended.livedMs, slots: fences },
          });
          if (this.alive) {
            this.#sight(
              { startedMs: started.rawMs, endedMs: between.rawMs, slots: heartbeats },
              { startedMs: between.rawMs, endedMs: ended.rawMs, slots: fences },
            );
          }
        });
      },
    });
  }

  /** Where the machine never slept both clocks are one, and so are both sightings. */
  #sight(heartbeats: HeartbeatsReading, fences: FencesReading): void {
    const { boot, state, fencers } = this;
    this.#sightMs = boot.livedMs();
    fencers.sight(
      boot.suspendedMs === 0
        ? state.sightings
        : sightFences(sightHeartbeats(fencers.sightings, heartbeats), fences),
    );
  }

  /** Between two looks at the device, where a finer rhythm would have more. */
  reportFencing(): void {
    if (this.isOnTime(this.boot.livedMs() - this.#sightMs)) {
      this.fencers.report();
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
          record,
          after.requests.map(({ uid }) => uid),
        );
      }
    }
  }

  #write(
    record: HeartbeatRecord,
    urgency: "urgent" | undefined,
    answer: (error: string | null) => AgentEvent,
  ): void {
    const { nodeID } = this.state.config;
    this.worker.submit(
      {
        read: null,
        write: {
          land: (device) => {
            device.putHeartbeat(nodeID, heartbeatSlot(record));
            if (record.fenced || record.leaving) {
              this.#say(record.fenced ? "acknowledges on the device" : "writes leaving");
            }
          },
          tear: (device) => device.putHeartbeat(nodeID, GARBAGE),
          readBack: null,
        },
        done: (error) => this.dispatch(answer(error)),
      },
      urgency,
    );
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
