import { encodeHeartbeatRecord, type HeartbeatRecord } from "../../protocol/heartbeat-record.ts";
import { stepAgent } from "../agent.ts";
import type { AgentConfig } from "../agent-config.ts";
import { initialAgentState, type AgentState, type VouchQuestion } from "../agent-state.ts";
import type { AgentEffect } from "../effect.ts";
import type { AgentEvent } from "../event.ts";
import { DiskWorker } from "./disk-worker.ts";
import { STRIDE_BYTES } from "./fake-device.ts";
import { NODE_ID, type Host } from "./host.ts";
import { KernelWatchdog } from "./kernel-watchdog.ts";
import { NativePetter } from "./native-petter.ts";
import { instant } from "./timeline.ts";

const TICK_MS_BEFORE_HEADER = 125;
const TICKS_PER_PASS = 4;

/** Where the process is to be killed: right before or right after it carried out an effect. */
export type KillPoint = {
  readonly when: "before" | "after";
  readonly effect: AgentEffect["type"];
};

/** One agent process: the core under test, and a shell that does what the real one promises. */
export class AgentProcess {
  state: AgentState;
  readonly petter: NativePetter;
  killAt: KillPoint | null = null;
  /** SIGTERM comes right after this effect, before its answer. */
  terminateAfter: AgentEffect["type"] | null = null;
  /** JavaScript gets no event before this; the petter's threads do not care. */
  stalledUntilMs = -Infinity;
  readonly #host: Host;
  #worker: DiskWorker;
  #alive = true;

  constructor(host: Host, config: AgentConfig) {
    this.#host = host;
    this.state = initialAgentState(config);
    this.petter = new NativePetter(host.watchdog ?? NO_WATCHDOG);
    this.#worker = new DiskWorker(host);
  }

  begin(): void {
    this.#host.say("the agent starts");
    this.#tick();
  }

  end(): void {
    this.#alive = false;
    this.#worker.abandon();
  }

  /** Tells the core, as soon as JavaScript runs. */
  deliver(event: AgentEvent): void {
    this.#host.timeline.at(this.#host.nowMs, () => this.#receive(event));
  }

  /** The API answers a question as of `startedMs`, whether or not the core has asked one then. */
  answerVouch(question: Omit<VouchQuestion, "id">, openRequests: number): void {
    const vouchQuestions = [{ ...question, id: 0 }, ...this.state.vouchQuestions];
    this.state = { ...this.state, vouchQuestions };
    this.deliver({ type: "vouch-read", id: 0, openRequests });
  }

  replaceWorker(): void {
    this.#worker.abandon();
    this.#worker = new DiskWorker(this.#host);
    this.deliver({ type: "disk-worker-replaced" });
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

  #receive(event: AgentEvent): void {
    const host = this.#host;
    if (!this.#alive) return;
    if (host.nowMs < this.stalledUntilMs) {
      host.timeline.at(this.stalledUntilMs, () => this.#receive(event));
      return;
    }
    const before = this.state.life.kind;
    const { state, effects } = stepAgent(this.state, event, host.nowMs);
    this.state = state;
    if (state.life.kind === "latched" && before !== "latched") host.note("latched");
    for (const effect of effects) {
      if (!this.#alive) return;
      if (this.#dies("before", effect.type)) return;
      if (this.terminateAfter === effect.type) this.deliver({ type: "terminate" });
      this.#carryOut(effect);
      if (this.#alive && !isWrite(effect) && this.#dies("after", effect.type)) return;
    }
  }

  #tick(): void {
    const host = this.#host;
    if (!this.#alive) return;
    if (host.nowMs < this.stalledUntilMs) {
      // A timer that is late many times over runs once.
      host.timeline.at(this.stalledUntilMs, () => this.#tick());
      return;
    }
    this.#receive({ type: "tick" });
    const intervalMs = this.state.device?.timing.passIntervalMs;
    const everyMs =
      intervalMs === undefined ? TICK_MS_BEFORE_HEADER : Math.floor(intervalMs / TICKS_PER_PASS);
    host.timeline.at(host.nowMs + everyMs, () => this.#tick());
  }

  #dies(when: KillPoint["when"], effect: AgentEffect["type"]): boolean {
    if (this.killAt?.when !== when || this.killAt.effect !== effect) return false;
    this.#host.say(`the agent is about to be killed ${when} ${effect}`);
    this.#host.killAgent();
    return true;
  }

  #carryOut(effect: AgentEffect): void {
    const host = this.#host;
    const { nowMs, watchdog } = host;
    switch (effect.type) {
      case "log":
        if (effect.level !== "debug") host.say(`${effect.level}: ${effect.message}`);
        return;
      case "read-pass":
        this.#readPass(effect.pass);
        return;
      case "write-heartbeat": {
        const { pass, record } = effect;
        this.#write(effect, record, (error) => {
          this.#receive(
            error === null
              ? { type: "heartbeat-written", pass }
              : { type: "pass-failed", pass, error },
          );
        });
        return;
      }
      case "read-regions":
        this.#readRegions();
        return;
      case "keep-first-read": {
        if (!host.runWritable) {
          this.deliver({ type: "first-read-failed", error: "EROFS" });
          return;
        }
        const { deviceUUID, messages } = effect;
        const bare = messages.length === 0 ? "no bare message" : `bare ${messages.join(", ")}`;
        host.say(`/run keeps the first read: ${bare}`);
        host.memory = { ...host.memory, deviceUUID, firstRead: messages };
        this.deliver({ type: "first-read-kept" });
        return;
      }
      case "forget-unclean-starts":
        host.memory = { ...host.memory, uncleanStarts: 0 };
        return;
      case "open-watchdog": {
        if (watchdog === null) throw new Error("The core opens a watchdog that is not there");
        watchdog.open(nowMs);
        const taken = watchdog.set(effect.timeoutSeconds, nowMs);
        const reportedSeconds = taken === "refused" ? watchdog.timeoutSeconds : taken;
        const reports = reportedSeconds === null ? "nothing" : `${reportedSeconds} s`;
        host.say(`watchdog opened, set to ${effect.timeoutSeconds} s, reports ${reports}`);
        host.timeline.at(nowMs + watchdog.opensInMs, () =>
          this.#receive({
            type: "watchdog-opened",
            reportedSeconds,
            options: watchdog.driver.options,
          }),
        );
        return;
      }
      case "start-petter": {
        const { periodMs, deadlineMs, selfFence } = effect;
        const result = this.petter.start(effect, nowMs);
        host.say(
          `petter ${result}: pets every ${instant(periodMs)} until ${instant(deadlineMs)}, then ` +
            (selfFence ? "sysrq-b" : "no more"),
        );
        return;
      }
      case "push-deadline":
        this.petter.push(effect.deadlineMs, nowMs);
        return;
      case "latch-petter":
        this.petter.latch();
        host.say("petter latched: it pets no more");
        return;
      case "shorten-watchdog":
        this.deliver(this.#shorten(effect));
        return;
      case "keep-mark":
        if (!host.runWritable) {
          host.say("/run cannot keep the mark");
          this.deliver({ type: "mark-failed", error: "EROFS" });
          return;
        }
        host.note("mark");
        host.say(`/run keeps the mark: epoch ${effect.mark.epoch} from ${effect.mark.fencer}`);
        host.memory = { ...host.memory, mark: effect.mark };
        this.deliver({ type: "mark-kept" });
        return;
      case "acknowledge":
        this.#write(effect, effect.record, (error) => {
          this.#receive(
            error === null ? { type: "acknowledged" } : { type: "acknowledge-failed", error },
          );
        });
        return;
      case "reboot":
        host.say(`reboot by ${effect.method}`);
        host.reboot(effect.method);
        return;
      case "release-watchdog":
        this.petter.stop();
        host.note("released");
        host.say(`petter stopped, 'V': ${watchdog?.close(nowMs, "magic") ?? "no watchdog"}`);
        return;
      case "stretch-watchdog":
        this.petter.stop();
        watchdog?.setMaximum(nowMs);
        host.note("stretched");
        host.say(`petter stopped, watchdog set to ${watchdog?.timeoutSeconds ?? 0} s`);
        return;
      case "ask-vouch":
        host.askToVouch(effect);
        return;
      case "exit":
        host.exitAgent(effect.code, this.state.unconfirmedWrite);
    }
  }

  #shorten({ timeoutSeconds, notAfterMs }: ShortenWatchdog): AgentEvent {
    const host = this.#host;
    const { nowMs, watchdog } = host;
    const not = (refused: boolean, error: string): AgentEvent => {
      host.say(`watchdog not set to ${timeoutSeconds} s: ${error}`);
      return { type: "watchdog-not-shortened", refused, error };
    };
    if (watchdog === null) throw new Error("The core shortens a watchdog that is not there");
    if (nowMs >= notAfterMs) return not(false, "the deadline has passed");
    const reportedSeconds = watchdog.set(timeoutSeconds, nowMs);
    if (reportedSeconds === "refused") return not(true, "the driver refuses it");
    if (reportedSeconds === null) return not(false, "the driver does not tell its timeout");
    if (!watchdog.pet(nowMs, "latched"))
      return not(false, "the driver does not take the keepalive");
    host.say(`watchdog set to ${timeoutSeconds} s, reports ${reportedSeconds} s, petted once`);
    return { type: "watchdog-shortened", reportedSeconds };
  }

  #readPass(pass: number): void {
    const host = this.#host;
    const { device } = host;
    this.#worker.submit({
      kind: "read",
      land: () => undefined,
      done: (error) => {
        if (error !== null) {
          this.#receive({ type: "pass-failed", pass, error });
          return;
        }
        this.#receive({
          type: "pass-read",
          pass,
          header: device.readHeader(),
          fence: device.fence(NODE_ID),
          heartbeat: device.heartbeat(NODE_ID),
          samePath: device.samePath,
          uptimeMs: host.nowMs - host.bootedMs,
          wallNs: BigInt(host.nowMs + host.wallOffsetMs) * 1_000_000n,
        });
      },
    });
  }

  #readRegions(): void {
    const host = this.#host;
    const { device, nowMs: startedMs } = host;
    this.#worker.submit({
      kind: "read",
      land: () => undefined,
      done: (error) => {
        if (error !== null) {
          this.#receive({ type: "regions-failed", error });
          return;
        }
        const times = { startedMs, endedMs: host.nowMs };
        this.#receive({
          type: "heartbeats-read",
          reading: { ...times, slots: device.heartbeats() },
        });
        this.#receive({ type: "fences-read", reading: { ...times, slots: device.fences() } });
      },
    });
  }

  #write(effect: AgentEffect, record: HeartbeatRecord, done: (error: string | null) => void): void {
    const host = this.#host;
    const bytes = encodeHeartbeatRecord(record, STRIDE_BYTES);
    this.#worker.submit({
      kind: "write",
      land: () => {
        host.device.putHeartbeat(record.nodeID, bytes);
        host.note(record.fenced ? "acknowledged" : "beat");
        if (record.fenced && record.armed) host.armedAcknowledgementMs ??= host.nowMs;
        this.#sayBeat(record);
        if (this.#alive) this.#dies("after", effect.type);
      },
      done,
    });
  }

  /** Only what is new in it. */
  #sayBeat(record: HeartbeatRecord): void {
    const said = describeBeat(record);
    if (said !== this.#host.lastBeat) this.#host.say(`on the device: ${said}`);
    this.#host.lastBeat = said;
  }
}

export function describeBeat(record: HeartbeatRecord): string {
  return [
    `heartbeat of start ${Number.parseInt(record.startID.slice(0, 12), 16)}.` +
      Number.parseInt(record.startID.slice(12), 16),
    record.armed ? "armed" : "unarmed",
    ...(record.detectOnly ? ["detect-only"] : []),
    ...(record.leaving ? ["leaving"] : []),
    ...(record.fenced ? [`fenced by epoch ${record.acknowledgedEpoch}`] : []),
    ...(record.seenEpoch > 0 ? [`has seen epoch ${record.seenEpoch}`] : []),
  ].join(", ");
}

type ShortenWatchdog = AgentEffect & { readonly type: "shorten-watchdog" };

function isWrite(effect: AgentEffect): boolean {
  return effect.type === "write-heartbeat" || effect.type === "acknowledge";
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
