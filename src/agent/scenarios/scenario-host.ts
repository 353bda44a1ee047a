import type { OnStorageLoss } from "../../protocol/device-header.ts";
import { NIL_UUID, type DeviceOwner } from "../../timing/device-agreement.ts";
import { isArmed } from "../agent-state.ts";
import type { AgentEffect } from "../effect.ts";
import type { AgentProcess, KillPoint } from "./agent-process.ts";
import { checkExpectation, type Ban, parseBan, requireUnbroken } from "./expectations.ts";
import { deviceHeader, FakeDevice, garbage, type DeviceFault } from "./fake-device.ts";
import { bootIDOf, Host, NODE_ID, type HostOptions } from "./host.ts";
import { ALARMONLY, KernelWatchdog, MAGICCLOSE, SETTIMEOUT } from "./kernel-watchdog.ts";
import {
  bareFenceBytes,
  bareHeartbeatBytes,
  fenceBytes,
  heartbeatBytes,
  strayFenceBytes,
  unknownTypeBytes,
} from "./records.ts";
import type { CommandWords } from "./scenario-file.ts";
import { instant } from "./timeline.ts";

/** What a torn write leaves: the new message's first bytes over the old record's rest. */
const TORN_AFTER_BYTES = 40;
const REASON_MANUAL = 2;
const OURS: DeviceOwner = deviceHeader(6_000, 4_000, "SelfFence");
/** Whose device an agent takes for its own. */
const OWNERS = {
  ours: OURS,
  "another-config": { ...OURS, configUID: "cccccccc-cccc-4ccc-8ccc-000000000002" },
  "another-cluster": { ...OURS, clusterUID: "eeeeeeee-eeee-4eee-8eee-000000000002" },
} as const satisfies Record<string, DeviceOwner>;
const EFFECTS: { readonly [Type in AgentEffect["type"]]: true } = {
  "read-pass": true,
  "write-heartbeat": true,
  "read-regions": true,
  "keep-first-read": true,
  "forget-unclean-starts": true,
  "open-watchdog": true,
  "look-at-watchdog": true,
  "start-petter": true,
  "push-deadline": true,
  "latch-petter": true,
  "shorten-watchdog": true,
  "keep-mark": true,
  acknowledge: true,
  reboot: true,
  "release-watchdog": true,
  "stretch-watchdog": true,
  "ask-vouch": true,
  exit: true,
  log: true,
};

/** Runs the commands of one scenario on one host. */
export class ScenarioHost {
  #host: Host | null = null;
  #hardware: {
    readonly watchdog: KernelWatchdog | null;
    readonly options: Omit<HostOptions, "device" | "watchdog">;
  } | null = null;
  readonly #bans: Ban[] = [];
  #checks = 0;

  /** @returns the trace */
  run(words: CommandWords): string[] {
    const command = words.word("a command");
    if (command === "host") this.#describeHost(words);
    else if (command === "device" && this.#host === null) this.#buildHost(words);
    else this.#runOn(this.#host, command, words);
    words.end();
    return this.#host?.takeTrace() ?? [];
  }

  /** @throws Error when something happened that the scenario says never happens */
  finish(): void {
    if (this.#host === null || this.#checks === 0) {
      throw new Error("A scenario asserts something: at least one 'expect' or 'never'");
    }
    for (const ban of this.#bans) requireUnbroken(this.#host, ban);
  }

  /** Also begins another case of the same scenario, on a new machine. */
  #describeHost(words: CommandWords): void {
    if (this.#host !== null) this.finish();
    this.#host = null;
    this.#bans.length = 0;
    this.#checks = 0;
    const driver = words.option("driver") ?? "i6300esb";
    const known = DRIVERS[driver] ?? { identity: `${driver} timer`, factor: 1 };
    const options =
      (words.flag("fixed-margin") ? 0 : SETTIMEOUT) |
      (words.flag("no-magic-close") ? 0 : MAGICCLOSE) |
      (words.flag("alarm-only") ? ALARMONLY : 0);
    const watchdog = new KernelWatchdog({
      name: driver,
      identity: known.identity,
      factor: words.number("truth", known.factor),
      options,
      nowayout: words.flag("nowayout"),
      roundsToSeconds: words.number("rounds", 1),
      leastSeconds: words.number("least", 1),
      lazy: words.flag("lazy"),
      mute: words.flag("mute"),
    });
    if (words.flag("ticking")) watchdog.startedBefore(0);
    const measured = words.option("measured");
    this.#hardware = {
      watchdog: words.flag("no-watchdog") ? null : watchdog,
      options: {
        stopOnReboot: words.number("stop_on_reboot", 1) === 1,
        virtual: words.flag("virtual"),
        sysfsSilent: words.flag("sysfs-silent"),
        sysrqRefused: words.flag("sysrq-refused"),
        softNoboot: words.flag("soft_noboot"),
        softRebootCmd: words.flag("soft_reboot_cmd"),
        measuredFactor: measured === null ? null : words.toNumber(measured),
      },
    };
  }

  #buildHost(words: CommandWords): void {
    if (this.#hardware === null) throw words.bad("describe the host first");
    const mode = words.option("mode") ?? "SelfFence";
    if (!isOnStorageLoss(mode)) throw words.bad("knows no such mode");
    const timeoutMs = words.number("T", 6) * 1_000;
    const watchdogMs = words.number("W", 4) * 1_000;
    this.#host = new Host({
      ...this.#hardware.options,
      watchdog: this.#hardware.watchdog,
      device: new FakeDevice({
        ...deviceHeader(timeoutMs, watchdogMs, mode),
        ...(words.flag("ownerless") ? { configUID: NIL_UUID, clusterUID: NIL_UUID } : {}),
      }),
    });
  }

  #runOn(host: Host | null, command: string, words: CommandWords): void {
    if (host === null) throw words.bad("there is no host yet: 'host …', then 'device …'");
    switch (command) {
      case "agent":
        runAgent(host, words);
        return;
      case "until":
        host.advance(this.#later(host, words));
        if (words.flag("quietly")) host.takeTrace();
        host.say(`= ${statusOf(host)}`);
        return;
      case "device":
        changeDevice(host, words);
        return;
      case "fence":
        writeFence(host, words);
        return;
      case "slot":
        writeSlot(host, words);
        return;
      case "api":
        setApi(host, words);
        return;
      case "api-read":
        host.process?.answerVouch(
          {
            startedMs: Math.round(words.number("started", host.nowMs / 1_000) * 1_000),
            leaving: words.flag("leaving"),
            armed: isArmed(host.process.state),
          },
          words.number("open", 0),
        );
        host.advance(host.nowMs);
        return;
      case "stall":
        if (words.word("what") !== "javascript") throw words.bad("only javascript stalls");
        agentOf(host, words).stalledUntilMs = host.nowMs + words.secondsMs("how long");
        return;
      case "suspend":
        host.suspend(words.secondsMs("how long"));
        return;
      case "wall":
        host.wallOffsetMs += words.secondsMs("by how much");
        return;
      case "run":
        host.run.writable = oneOf(words, ["writable", "unwritable"]) === "writable";
        return;
      case "worker":
        oneOf(words, ["replaced"]);
        agentOf(host, words).replaceWorker();
        return;
      case "watchdog":
        changeWatchdog(host, words);
        return;
      case "boot":
        host.boot(bootIDOf(words.word("which boot")));
        return;
      case "expect":
        this.#checks += 1;
        checkExpectation(host, words);
        return;
      case "never":
        this.#checks += 1;
        this.#bans.push(parseBan(words));
        return;
      default:
        throw words.bad(`knows no command '${command}'`);
    }
  }

  #later(host: Host, words: CommandWords): number {
    const untilMs = words.secondsMs("until when");
    if (untilMs < host.nowMs) throw words.bad(`it is ${instant(host.nowMs)} already`);
    return untilMs;
  }
}

function runAgent(host: Host, words: CommandWords): void {
  switch (words.word("what")) {
    case "start": {
      const timeout = words.option("T");
      const watchdog = words.option("W");
      const mode = words.option("mode");
      if (mode !== null && !isOnStorageLoss(mode)) throw words.bad("knows no such mode");
      const owner = words.option("owner");
      if (owner !== null && !isOwner(owner)) throw words.bad("an owner is ours or somebody else's");
      const method = words.option("reboot") ?? "panic";
      if (method !== "panic" && method !== "systemctl-reboot") throw words.bad("bad reboot method");
      host.startAgent({
        asked: {
          timeoutMs: timeout === null ? null : words.toNumber(timeout) * 1_000,
          watchdogMs: watchdog === null ? null : words.toNumber(watchdog) * 1_000,
          onStorageLoss: mode,
        },
        owner: owner === null ? null : OWNERS[owner],
        detectOnly: words.flag("detect-only"),
        rebootMethod: method,
        acceptUnverifiedWatchdogs: words.flag("accept-unverified"),
      });
      host.advance(host.nowMs);
      return;
    }
    case "kill": {
      const agent = agentOf(host, words);
      const point = words.rest();
      if (point === "") host.killAgent();
      else agent.killAt = killPoint(point, words);
      return;
    }
    case "terminate":
      terminateAgent(agentOf(host, words), words);
      host.advance(host.nowMs);
      return;
    default:
      throw words.bad("an agent starts, is killed or terminated");
  }
}

function terminateAgent(agent: AgentProcess, words: CommandWords): void {
  const point = words.rest();
  if (point === "") {
    agent.terminate();
    return;
  }
  const { when, effect } = killPoint(point, words);
  if (when === "before") throw words.bad("SIGTERM comes 'after' an effect");
  agent.terminateAfter = effect;
}

function killPoint(text: string, words: CommandWords): KillPoint {
  const [when, effect = ""] = text.split(" ");
  if ((when !== "before" && when !== "after") || !Object.hasOwn(EFFECTS, effect)) {
    throw words.bad(`'${text}' is no 'before' or 'after' an effect`);
  }
  return { when, effect: effect as AgentEffect["type"] };
}

function changeDevice(host: Host, words: CommandWords): void {
  const { device } = host;
  const fault = (kind: DeviceFault): void => {
    device.fault = kind;
  };
  switch (words.rest()) {
    case "ok":
      fault("ok");
      device.latencyMs = 2;
      device.restore();
      host.release();
      return;
    case "hang":
      return fault("hang");
    case "fails":
      return fault("fail");
    case "fails reads":
      return fault("fail-reads");
    case "fails writes":
      return fault("fail-writes");
    case "loses writes":
      return fault("lose-writes");
    case "blank":
      return device.replaceWith("blank");
    case "foreign":
      return device.replaceWith("foreign");
    case "initialised again":
      return device.initialiseAgain();
    case "header garbage":
      return device.garbleHeader();
    case "other file":
      device.samePath = false;
      return;
    default:
      changeDeviceBy(host, words);
  }
}

function changeDeviceBy(host: Host, words: CommandWords): void {
  const [, what, seconds] = words.line.split(" ");
  const ms = Math.round(words.toNumber(seconds ?? "") * 1_000);
  if (what === "slow") host.device.latencyMs = ms;
  else if (what === "late") {
    host.device.fault = "late-writes";
    host.device.lateMs = ms;
  } else throw words.bad("knows no such change");
}

function writeFence(host: Host, words: CommandWords): void {
  const { device } = host;
  const epoch = words.number("epoch", 1);
  const boot = words.option("boot") ?? "A";
  switch (words.rest()) {
    case "":
      return device.putFence(NODE_ID, fenceBytes({ boot, epoch, reason: REASON_MANUAL }));
    case "cleared":
      return device.putFence(NODE_ID, fenceBytes({ boot, epoch, reason: 0 }));
    case "torn":
      return device.putFence(
        NODE_ID,
        fenceBytes({ boot, epoch, reason: REASON_MANUAL }).subarray(0, TORN_AFTER_BYTES),
      );
    case "bare":
      return device.putFence(NODE_ID, bareFenceBytes(epoch));
    case "bare in the heartbeat slot":
      return device.putHeartbeat(NODE_ID, strayFenceBytes(epoch));
    case "garbage":
      return device.putFence(NODE_ID, garbage());
    case "of unknown type":
      return device.putFence(NODE_ID, unknownTypeBytes());
    case "repaired":
      return device.putFence(NODE_ID, fenceBytes({ boot, epoch, reason: 0 }));
    default:
      throw words.bad("knows no such message");
  }
}

function writeSlot(host: Host, words: CommandWords): void {
  const sequence = words.number("sequence", 1);
  if (words.flag("garbage")) return host.device.putHeartbeat(NODE_ID, garbage());
  if (words.flag("go")) return host.device.putHeartbeat(NODE_ID, bareHeartbeatBytes(sequence));
  host.device.putHeartbeat(
    NODE_ID,
    heartbeatBytes({
      machine: words.option("machine") ?? "m1",
      node: words.option("node") ?? "",
      boot: words.option("boot") ?? "A",
      start: words.number("start", 0xfff),
      sequence,
    }),
  );
}

function changeWatchdog({ watchdog }: Host, words: CommandWords): void {
  if (watchdog === null) throw words.bad("there is no watchdog");
  switch (oneOf(words, ["broken", "opens-in", "unloaded", "held", "free"])) {
    case "broken":
      watchdog.broken = true;
      return;
    case "opens-in":
      watchdog.opensInMs = words.secondsMs("how long");
      return;
    case "unloaded":
      watchdog.away = "unloaded";
      return;
    case "held":
      watchdog.away = "held";
      return;
    case "free":
      watchdog.away = null;
      return;
  }
}

function setApi(host: Host, words: CommandWords): void {
  const openRequests = words.number("open", 0);
  host.api = oneOf(words, ["answers", "silent"]) === "answers" ? { openRequests } : null;
}

function agentOf(host: Host, words: CommandWords): AgentProcess {
  if (host.process === null) throw words.bad("no agent runs");
  return host.process;
}

function oneOf<Choice extends string>(words: CommandWords, choices: readonly Choice[]): Choice {
  const word = words.word(choices.join(" or "));
  const found = choices.find((choice) => choice === word);
  if (found === undefined) throw words.bad(`'${word}' is none of ${choices.join(", ")}`);
  return found;
}

/** Where everything stands, in one line. */
function statusOf(host: Host): string {
  if (host.death !== null) return `dead since ${instant(host.death.atMs)}`;
  const { process, watchdog } = host;
  const fires =
    watchdog === null || !watchdog.ticking
      ? "watchdog off"
      : `unpetted it dies at ${instant(watchdog.firesMs)}`;
  if (process === null) return `no agent; ${fires}`;
  const { state, petter } = process;
  return [
    state.life.kind,
    isArmed(state) ? "armed" : "unarmed",
    state.lastGood === null ? "no good pass" : `good pass at ${instant(state.lastGood.startedMs)}`,
    petter.deadlineMs === null ? "no deadline" : `deadline ${instant(petter.deadlineMs)}`,
    fires,
  ].join("; ");
}

const DRIVERS: Readonly<Record<string, { readonly identity: string; readonly factor: number }>> = {
  i6300esb: { identity: "i6300ESB timer", factor: 1 },
  softdog: { identity: "Software Watchdog", factor: 1.12 },
  iTCO_wdt: { identity: "iTCO_wdt", factor: 2 },
};

function isOnStorageLoss(word: string): word is OnStorageLoss {
  return word === "SelfFence" || word === "SurviveWithApi";
}

function isOwner(word: string): word is keyof typeof OWNERS {
  return Object.hasOwn(OWNERS, word);
}
