import type { AgentConfig } from "../agent-config.ts";
import { isArmed } from "../agent-state.ts";
import type { AgentEffect, RebootMethod } from "../effect.ts";
import { RunMemory } from "../../../sim/run-memory.ts";
import { AgentProcess } from "./agent-process.ts";
import type { DiskWorld } from "./disk-worker.ts";
import type { FakeDevice } from "./fake-device.ts";
import type { KernelWatchdog } from "./kernel-watchdog.ts";
import { instant, Timeline } from "./timeline.ts";

export const NODE_ID = 1;
export const NODE_NAME = "worker-1";
/** systemd kills the container before it calls reboot(2). */
const SYSTEMD_KILLS_AFTER_MS = 500;
const SHUTDOWN_MS = 200;
const REPORT_EVERY_MS = 1_000;
const API_ANSWERS_AFTER_MS = 200;

type AskVouch = AgentEffect & { readonly type: "ask-vouch" };

/** One thing that happened, for `never` and `expect`. */
export type Happening =
  | "beat"
  | "acknowledged"
  | "reboot"
  | "systemctl"
  | "mark"
  | "latched"
  | "released"
  | "stretched"
  | "exit"
  | "killed";

export type HostOptions = {
  readonly device: FakeDevice;
  readonly watchdog: KernelWatchdog | null;
  /** `/sys/module/watchdog/parameters/stop_on_reboot`. */
  readonly stopOnReboot: boolean;
  /** Nothing that is written to the sysrq trigger reboots. */
  readonly sysrqRefused: boolean;
  /** A kernel before 6.2: sysfs does not show what the driver can do. */
  readonly sysfsSilent: boolean;
  readonly virtual: boolean;
  readonly softNoboot: boolean;
  readonly softRebootCmd: boolean;
  readonly measuredFactor: number | null;
};

/**
 * A model of one machine: clock, kernel watchdog, shared device, /run, an API that may answer, and
 * at most one agent process, whose shell carries out what the core asks. Deterministic.
 */
export class Host implements DiskWorld {
  readonly timeline = new Timeline();
  readonly device: FakeDevice;
  readonly watchdog: KernelWatchdog | null;
  readonly options: HostOptions;
  readonly parked: (() => void)[] = [];
  readonly happenings: { readonly atMs: number; readonly what: Happening }[] = [];
  nowMs = 0;
  /** The wall clock's lead over the unslewed one. */
  wallOffsetMs = 1_700_000_000_000;
  bootID = bootIDOf("A");
  bootedMs = -100_000;
  readonly deaths: { readonly atMs: number; readonly by: string }[] = [];
  /** Of the present boot. */
  death: { readonly atMs: number; readonly by: string } | null = null;
  process: AgentProcess | null = null;
  exitCode: number | null = null;
  processes = 0;
  /** What the trace last said of the own slot. */
  lastBeat = "";
  run = new RunMemory();
  /** How long it has slept: the raw clock does not count that. */
  sleptMs = 0;
  /** What a consistent list shows; null = the API does not answer. */
  api: { readonly openRequests: number } | null = null;
  /**
   * What the agent's SBDNode says: leaving from when it was told so, staying only once armed again.
   * An armed heartbeat that lands late must not meet an SBDNode that says the node stays.
   */
  sbdNodeLeaving = false;
  /** When the first `fenced` record of an armed boot landed. */
  armedAcknowledgementMs: number | null = null;
  #trace: string[] = [];

  constructor(options: HostOptions) {
    this.options = options;
    this.device = options.device;
    this.watchdog = options.watchdog;
    this.timeline.at(REPORT_EVERY_MS, () => this.#reportStatus());
  }

  say(text: string): void {
    this.#trace.push(`${instant(this.nowMs).padStart(8)}  ${text}`);
  }

  get wallNs(): bigint {
    return BigInt(this.nowMs + this.wallOffsetMs) * 1_000_000n;
  }

  note(what: Happening): void {
    this.happenings.push({ atMs: this.nowMs, what });
  }

  takeTrace(): string[] {
    const trace = this.#trace;
    this.#trace = [];
    return trace;
  }

  /** Lets the world go on until `untilMs`, whatever dies meanwhile. */
  advance(untilMs: number): void {
    for (;;) {
      const petterMs = this.process?.petter.nextMs ?? Infinity;
      const watchdogMs = this.death === null ? (this.watchdog?.firesMs ?? Infinity) : Infinity;
      const nextMs = Math.min(this.timeline.nextMs, petterMs, watchdogMs);
      if (nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      if (this.timeline.nextMs <= nextMs) this.timeline.runNext();
      else if (petterMs <= nextMs) this.process?.runPetter();
      else this.die("watchdog");
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** The machine sleeps: its clock counts that, its hardware and its programs do not. */
  suspend(forMs: number): void {
    this.watchdog?.sleep(forMs);
    this.nowMs += forMs;
    this.sleptMs += forMs;
  }

  startAgent(config: Pick<AgentConfig, AgentChoices>): void {
    if (this.process !== null) throw new Error("An agent runs already");
    if (this.death !== null) throw new Error("The machine is dead");
    this.processes += 1;
    this.exitCode = null;
    const process = new AgentProcess(this, {
      ...config,
      nodeName: NODE_NAME,
      nodeID: NODE_ID,
      bootID: this.bootID,
      machineID: machineIDOf("m1"),
      virtual: this.options.virtual,
      startSeed: this.processes.toString(16).padStart(12, "0"),
      watchdogSurvivesReboot: !this.options.stopOnReboot,
      watchdog: this.inspect(),
      memory: this.run.beginStart(),
    });
    this.process = process;
    process.begin();
  }

  /** SIGKILL: the kernel closes what the process had open. */
  killAgent(): void {
    if (this.process === null) throw new Error("No agent runs");
    this.note("killed");
    this.#endProcess("the agent is killed");
  }

  exitAgent(code: number): void {
    this.exitCode = code;
    this.note("exit");
    this.#endProcess(`the agent exits with ${code}`);
  }

  reboot(method: RebootMethod): void {
    this.note("reboot");
    if (method === "panic") {
      if (!this.options.sysrqRefused) this.die("sysrq-b");
      return;
    }
    this.note("systemctl");
    this.timeline.at(this.nowMs + SYSTEMD_KILLS_AFTER_MS, () => {
      if (this.death !== null) return;
      if (this.process !== null) this.killAgent();
      if (this.options.stopOnReboot) this.watchdog?.stop();
      this.say(
        `reboot(2): the kernel ${this.options.stopOnReboot ? "stops" : "leaves"} the watchdog` +
          (this.device.fault === "ok" ? "" : ", and hangs on the dead device"),
      );
      if (this.device.fault === "ok") {
        this.timeline.at(this.nowMs + SHUTDOWN_MS, () => this.die("reboot(2)"));
      }
    });
  }

  die(by: string): void {
    if (this.death !== null) return;
    this.death = { atMs: this.nowMs, by };
    this.deaths.push(this.death);
    this.process?.end();
    this.process = null;
    this.say(`THE MACHINE IS RESET by ${by}`);
  }

  /** The next boot of the machine: /run is empty, the watchdog off, the device as it was. */
  boot(bootID: string): void {
    if (this.death === null) throw new Error("The machine is not dead");
    this.death = null;
    this.bootID = bootID;
    this.bootedMs = this.nowMs;
    this.run = new RunMemory();
    if (this.watchdog !== null) {
      this.watchdog.ticking = false;
      this.watchdog.timeoutSeconds = 60;
    }
  }

  /** Lets operations that waited for the device go on. */
  release(): void {
    for (const resume of this.parked.splice(0)) resume();
  }

  #endProcess(how: string): void {
    this.process?.end();
    this.process = null;
    const closed = this.watchdog?.close(this.nowMs, "without") ?? "was-closed";
    const then = {
      stopped: "; the driver stops the watchdog",
      petted: "; closing pets",
      "was-closed": "",
    };
    this.say(`${how}${then[closed]}`);
  }

  /** The API process patches the own SBDNode, then lists the requests; a silent API does neither. */
  askToVouch({ id, leaving }: AskVouch): void {
    const { api, process } = this;
    if (api === null || process === null) return;
    if (leaving) this.sbdNodeLeaving = true;
    const { openRequests } = api;
    this.timeline.at(this.nowMs + API_ANSWERS_AFTER_MS, () => process.hearVouch(id, openRequests));
  }

  #reportStatus(): void {
    const { api, process } = this;
    this.timeline.at(this.nowMs + REPORT_EVERY_MS, () => this.#reportStatus());
    if (api === null || process === null) return;
    if (process.state.life.kind === "leaving") this.sbdNodeLeaving = true;
    else if (isArmed(process.state)) this.sbdNodeLeaving = false;
  }

  /** As sysfs shows it. */
  inspect(): AgentConfig["watchdog"] {
    const { watchdog, options } = this;
    const path = "/dev/watchdog0";
    if (watchdog === null || watchdog.away === "unloaded")
      return { kind: "absent", path, detail: "no such device" };
    const { driver } = watchdog;
    return {
      kind: "present",
      path,
      ticking: watchdog.ticking,
      facts: {
        driver: driver.name,
        identity: driver.identity,
        options: options.sysfsSilent ? null : driver.options,
        nowayout: driver.nowayout,
        softNoboot: options.softNoboot,
        softRebootCmd: options.softRebootCmd,
        measuredFactor: options.measuredFactor,
      },
    };
  }
}

export type AgentChoices =
  | "asked"
  | "owner"
  | "detectOnly"
  | "rebootMethod"
  | "acceptUnverifiedWatchdogs";

/** `A` → `aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa`. */
export function bootIDOf(letter: string): string {
  const hex = letter.toLowerCase();
  if (!/^[a-f]$/.test(hex)) throw new Error(`A boot is named A to F: ${letter}`);
  const run = (length: number): string => hex.repeat(length);
  return `${run(8)}-${run(4)}-4${run(3)}-8${run(3)}-${run(12)}`;
}

/** `m2` → 31 zeros and a 2. */
export function machineIDOf(name: string): string {
  if (!/^m[1-9]$/.test(name)) throw new Error(`A machine is named m1 to m9: ${name}`);
  return name.slice(1).padStart(32, "0");
}
