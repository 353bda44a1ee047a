import type { DeviceAnswer, FenceDevice } from "../../fencing/driver/fence-device.ts";
import type { DualTimes } from "../../observation/region-reading.ts";
import { encodeHeartbeatRecord, type HeartbeatRecord } from "../../protocol/heartbeat-record.ts";
import type { AgentConfig } from "../agent-config.ts";
import type { AgentState, VouchQuestion } from "../agent-state.ts";
import { createAgentDriver, type AgentDriver } from "../driver/agent-driver.ts";
import type {
  AgentDevice,
  AgentHostState,
  AgentWatch,
  AgentWatchdog,
} from "../driver/agent-ports.ts";
import type { AgentEffect } from "../effect.ts";
import { DiskWorker } from "./disk-worker.ts";
import { STRIDE_BYTES } from "./fake-device.ts";
import type { Host } from "./host.ts";
import { KernelWatchdog } from "./kernel-watchdog.ts";
import { NativePetter } from "./native-petter.ts";
import { describeBeat } from "./records.ts";
import { instant } from "./timeline.ts";

const TICK_MS_BEFORE_HEADER = 125;
const TICKS_PER_PASS = 4;

/** Where the process is to be killed: right before or right after it carried out an effect. */
export type KillPoint = {
  readonly when: "before" | "after";
  readonly effect: AgentEffect["type"];
};

/** One agent process: the driver that ships, on a host that is a model. */
export class AgentProcess {
  readonly petter: NativePetter;
  killAt: KillPoint | null = null;
  /** SIGTERM comes right after this effect, before its answer. */
  terminateAfter: AgentEffect["type"] | null = null;
  /** JavaScript gets no event before this; the petter's threads do not care. */
  stalledUntilMs = -Infinity;
  readonly #host: Host;
  readonly #driver: AgentDriver;
  #worker: DiskWorker;
  /** What waits for a call into the kernel to return; null where none blocks. */
  #blocked: (() => void)[] | null = null;
  #alive = true;

  constructor(host: Host, config: AgentConfig) {
    this.#host = host;
    this.petter = new NativePetter(host.watchdog ?? NO_WATCHDOG);
    this.#worker = new DiskWorker(host);
    this.#driver = createAgentDriver(config, {
      clock: {
        livedMs: () => host.nowMs,
        rawMs: () => host.nowMs - host.sleptMs,
        wallNs: () => host.wallNs,
      },
      nonce: () => "",
      device: this.#device(config.nodeID),
      watchdog: this.#watchdog(),
      hostState: this.#hostState(),
      send: (message) => {
        if (message.type === "ask-vouch") host.askToVouch(message);
      },
      tell: () => undefined,
      reboot: (method) => {
        host.say(`reboot by ${method}`);
        host.reboot(method);
      },
      exit: (code) => host.exitAgent(code),
      log: (level, message) => {
        if (level !== "debug") host.say(`${level}: ${message}`);
      },
      logFencing: () => undefined,
      watch: this.#watch(),
    });
  }

  get state(): AgentState {
    return this.#driver.state;
  }

  begin(): void {
    this.#host.say("the agent starts");
    this.#tick();
  }

  end(): void {
    this.#alive = false;
    this.#driver.end();
    this.#worker.abandon();
  }

  terminate(): void {
    this.#soon(() => this.#driver.terminate());
  }

  /** The API answers a question of the core. */
  hearVouch(id: number, openRequests: number): void {
    this.#soon(() => this.#driver.receive({ type: "vouch-read", id, openRequests }));
  }

  /** The API answers a question as of `startedMs`, whether or not the core has asked one then. */
  answerVouch(question: Omit<VouchQuestion, "id">, openRequests: number): void {
    (this.state.vouchQuestions as VouchQuestion[]).unshift({ ...question, id: 0 });
    this.hearVouch(0, openRequests);
  }

  replaceWorker(): void {
    this.#worker.abandon();
    this.#worker = new DiskWorker(this.#host);
    this.#soon(() => this.#driver.diskWorkerReplaced());
  }

  runPetter(): void {
    const host = this.#host;
    switch (this.petter.run(host.nowMs)) {
      case "petted":
        return;
      case "stopped-petting":
        host.say("petter: the deadline has passed, no more pets");
        return;
      case "fence":
        host.say("petter: the deadline has passed");
        if (!host.options.sysrqRefused) host.die("the petter's sysrq-b");
    }
  }

  /** When JavaScript gets to what else is due now. */
  #soon(run: () => void): void {
    this.#host.timeline.at(this.#host.nowMs, () => this.#whenRunning(run));
  }

  /** Runs once JavaScript runs; not at all when the process is gone. */
  #whenRunning(run: () => void): void {
    const host = this.#host;
    if (!this.#alive) return;
    if (this.#blocked !== null) {
      this.#blocked.push(run);
    } else if (host.nowMs < this.stalledUntilMs) {
      host.timeline.at(this.stalledUntilMs, () => this.#whenRunning(run));
    } else {
      run();
    }
  }

  /** A call into the kernel that takes so long: the world goes on, JavaScript does not. */
  #block(forMs: number): void {
    const host = this.#host;
    if (forMs === 0) return;
    const blocked: (() => void)[] = [];
    this.#blocked = blocked;
    host.advance(host.nowMs + forMs);
    this.#blocked = null;
    for (const run of blocked) this.#soon(run);
  }

  /** A timer that is late many times over runs once. */
  #tick(): void {
    const host = this.#host;
    this.#whenRunning(() => {
      this.#driver.tick();
      const intervalMs = this.state.device?.timing.passIntervalMs;
      const everyMs =
        intervalMs === undefined ? TICK_MS_BEFORE_HEADER : Math.floor(intervalMs / TICKS_PER_PASS);
      host.timeline.at(host.nowMs + everyMs, () => this.#tick());
    });
  }

  #watch(): AgentWatch {
    return {
      stepped: (before, after) => {
        if (after.life.kind === "latched" && before.life.kind !== "latched") {
          this.#host.note("latched");
        }
      },
      before: ({ type }) => {
        this.#dies("before", type);
        if (this.terminateAfter === type) this.terminate();
      },
      after: ({ type }) => {
        // A write has its end when it lands.
        if (type !== "write-heartbeat" && type !== "acknowledge") this.#dies("after", type);
      },
    };
  }

  #dies(when: KillPoint["when"], effect: AgentEffect["type"]): void {
    if (this.#alive && this.killAt?.when === when && this.killAt.effect === effect) {
      this.#host.say(`the agent is about to be killed ${when} ${effect}`);
      this.#host.killAgent();
    }
  }

  #watchdog(): AgentWatchdog {
    const host = this.#host;
    const { petter } = this;
    const watchdogOf = (): KernelWatchdog => {
      if (host.watchdog === null) throw new Error("The core uses a watchdog that is not there");
      return host.watchdog;
    };
    return {
      open: (timeoutSeconds) => {
        const watchdog = watchdogOf();
        watchdog.open(host.nowMs);
        const taken = watchdog.set(timeoutSeconds, host.nowMs);
        const reportedSeconds = taken === "refused" ? watchdog.timeoutSeconds : taken;
        const reports = reportedSeconds === null ? "nothing" : `${reportedSeconds} s`;
        host.say(`watchdog opened, set to ${timeoutSeconds} s, reports ${reports}`);
        this.#block(watchdog.opensInMs);
        return { reportedSeconds, options: watchdog.driver.options };
      },
      look: () => host.inspect(),
      startPetter: (periodMs, deadlineMs, selfFence) => {
        const result = petter.start({ periodMs, deadlineMs, selfFence }, host.nowMs);
        host.say(
          `petter ${result}: pets every ${instant(periodMs)} until ${instant(deadlineMs)}, then ` +
            (selfFence ? "sysrq-b" : "no more"),
        );
      },
      pushDeadline: (deadlineMs) => petter.push(deadlineMs, host.nowMs),
      latch: () => {
        petter.latch();
        host.say("petter latched: it pets no more");
      },
      shorten: (timeoutSeconds) => {
        const watchdog = watchdogOf();
        const not = (refused: boolean, error: string) => {
          host.say(`watchdog not set to ${timeoutSeconds} s: ${error}`);
          return { ok: false, refused, error } as const;
        };
        const reportedSeconds = watchdog.set(timeoutSeconds, host.nowMs);
        if (reportedSeconds === "refused") return not(true, "the driver refuses it");
        if (reportedSeconds === null) return not(false, "the driver does not tell its timeout");
        if (!watchdog.pet(host.nowMs, "latched"))
          return not(false, "the driver does not take the keepalive");
        host.say(`watchdog set to ${timeoutSeconds} s, reports ${reportedSeconds} s, petted once`);
        return { ok: true, reportedSeconds };
      },
      release: () => {
        petter.stop();
        host.note("released");
        const closed = host.watchdog?.close(host.nowMs, "magic") ?? "no watchdog";
        host.say(`petter stopped, 'V': ${closed}`);
      },
      stretch: () => {
        petter.stop();
        host.watchdog?.setMaximum(host.nowMs);
        host.note("stretched");
        host.say(`petter stopped, watchdog set to ${host.watchdog?.timeoutSeconds ?? 0} s`);
      },
      petCounts: () => ({ pets: 0, petErrors: 0 }),
    };
  }

  #hostState(): AgentHostState {
    const host = this.#host;
    const { run } = host;
    return {
      keepFirstRead: ({ deviceUUID }, messages) => {
        run.keepFirstRead(deviceUUID, messages);
        const bare = messages.length === 0 ? "no bare message" : `bare ${messages.join(", ")}`;
        host.say(`/run keeps the first read: ${bare}`);
      },
      forgetUncleanStarts: () => run.forgetUncleanStarts(),
      recordLatch: (mark) => {
        if (!run.writable) host.say("/run cannot keep the mark");
        run.keepMark(mark);
        host.note("mark");
        host.say(`/run keeps the mark: epoch ${mark.epoch} from ${mark.fencer}`);
      },
      recordSlot: ({ nodeID }) => run.recordSlot(nodeID),
      endInOrder: (end) => run.endInOrder(end),
      disown: () => run.disown(),
    };
  }

  #device(nodeID: number): AgentDevice {
    const host = this.#host;
    const { device } = host;
    return {
      ...NO_FENCING,
      readPass: (_nodeID, answer) =>
        this.#read(answer, () => ({
          header: device.readHeader(),
          fence: device.fence(nodeID),
          heartbeat: device.heartbeat(nodeID),
          samePath: device.samePath,
          uptimeMs: host.nowMs - host.bootedMs,
          wallNs: host.wallNs,
        })),
      writeHeartbeat: (record, urgency, answer) => {
        const effect = urgency === "urgent" ? "acknowledge" : "write-heartbeat";
        this.#worker.submit({
          kind: "write",
          urgent: urgency === "urgent",
          land: () => this.#landed(effect, record),
          done: (error) => this.#answer(answer, error, () => null),
        });
      },
      readRegions: (answer) => {
        const startedLivedMs = host.nowMs;
        const startedRawMs = startedLivedMs - host.sleptMs;
        this.#read(answer, () => {
          const endedLivedMs = host.nowMs;
          const endedRawMs = endedLivedMs - host.sleptMs;
          const times: DualTimes = { startedLivedMs, endedLivedMs, startedRawMs, endedRawMs };
          return {
            heartbeats: device.heartbeats(),
            fences: device.fences(),
            heartbeatsTimes: times,
            fencesTimes: times,
          };
        });
      },
    };
  }

  #read<Reply>(answer: (read: DeviceAnswer<Reply>) => void, read: () => Reply): void {
    this.#worker.submit({
      kind: "read",
      urgent: false,
      land: () => undefined,
      done: (error) => this.#answer(answer, error, read),
    });
  }

  #answer<Reply>(
    answer: (told: DeviceAnswer<Reply>) => void,
    error: string | null,
    reply: () => Reply,
  ): void {
    const told: DeviceAnswer<Reply> =
      error === null ? { ok: true, reply: reply() } : { ok: false, error };
    this.#whenRunning(() => answer(told));
  }

  #landed(effect: AgentEffect["type"], record: HeartbeatRecord): void {
    const host = this.#host;
    host.device.putHeartbeat(record.nodeID, encodeHeartbeatRecord(record, STRIDE_BYTES));
    host.note(record.fenced ? "acknowledged" : "beat");
    if (record.fenced && record.armed) host.armedAcknowledgementMs ??= host.nowMs;
    const said = describeBeat(record);
    // Only what is new in it.
    if (said !== host.lastBeat) host.say(`on the device: ${said}`);
    host.lastBeat = said;
    this.#dies("after", effect);
  }
}

/** In these scenarios an agent is given no orders and no slot tasks. */
const NO_FENCING: FenceDevice = {
  readFence: refuse,
  writeFence: refuse,
  replaceFence: refuse,
};

function refuse(): never {
  throw new Error("An agent that has no order uses the fence region");
}

const NO_WATCHDOG = new KernelWatchdog({
  name: null,
  identity: "none",
  options: 0,
  nowayout: false,
  factor: 1,
  roundsToSeconds: 1,
  leastSeconds: 1,
  lazy: false,
  mute: false,
});
