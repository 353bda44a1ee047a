/**
 * One virtual machine, and the supervisor that is its hardware: real processes, unmodified, on a
 * virtual watchdog and a virtual sysrq, killed as a whole and at once when either says so, then
 * booted again with a new boot ID.
 *
 * Modelled: the kernel watchdog (see `virtual-watchdog.ts`), sysrq 'b', power, a hung and a paused
 * machine, an unslewed clock that begins at boot, /run emptied at boot, a kubelet's restarts of single processes.
 *
 * Not modelled: the kernel's own latency; processes in D state, which SIGKILL ends here; a machine
 * that dies in an instant, for SIGKILL takes a few milliseconds to end a group ("dead" is when the
 * last thread is gone, not when it was asked); sysrq commands but 'b', which are logged; reboot(2).
 *
 * Time: every `tMs` is CLOCK_MONOTONIC in milliseconds, comparable between virtual nodes, and with
 * the lines of `numbered-writer.ts`. Pets carry the instant they were made, so a supervisor that was
 * busy neither fires too early nor forgives a pet that came too late; only the firing itself can be
 * late by as much as the event loop is.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { native } from "../platform/native.ts";
import { createFifoReader, type FifoReader } from "./fifo-reader.ts";
import { createHostRoot, type HostRoot } from "./host-root.ts";
import { interposerPath } from "./interposer.ts";
import { createProcessGroup, type ProcessGroup } from "./process-group.ts";
import {
  firesAtMs,
  initialWatchdogState,
  stepWatchdog,
  type WatchdogEvent,
  type WatchdogState,
} from "./virtual-watchdog.ts";
import { markWatchdogStopped, WATCHDOG_OPTION, writeWatchdogControl } from "./watchdog-control.ts";
import { createWatchdogRecordParser } from "./watchdog-record.ts";

/** The watchdog of a virtual machine; what is left out is as softdog has it. */
export type VirtualWatchdog = {
  readonly identity?: string;
  /** Timeout until a SETTIMEOUT. */
  readonly timeoutSeconds?: number;
  readonly minTimeoutSeconds?: number;
  readonly maxTimeoutSeconds?: number;
  readonly nowayout?: boolean;
  /** Without it and without nowayout, the watchdog stops whenever its holder closes it or dies. */
  readonly magicClose?: boolean;
  /** It fires after this many timeouts: 2 for iTCO_wdt, Infinity for one that never does. */
  readonly timeoutFactor?: number;
  /** It fires this much later than it should. */
  readonly toleranceMs?: number;
};

/** A kubelet's policy: `always` restarts after any exit, with a backoff. */
export type RestartPolicy = "always" | "never";

export type VirtualProcess = {
  readonly name: string;
  readonly argv: readonly string[];
  /** Its whole environment, but for PATH and HOME, which it has from the supervisor. */
  readonly env?: Readonly<Record<string, string>>;
  readonly restart: RestartPolicy;
};

/** Why a boot ended. */
export type DeathCause = "watchdog" | "sysrq" | "power";

/** What the watchdog did meanwhile: a hung kernel's goes on, a paused virtual machine's does not. */
export type FrozenWatchdog = "watchdog-runs" | "watchdog-stops";

export type VirtualNodeEvent = { readonly tMs: number } & (
  | { readonly kind: "boot"; readonly bootID: string }
  | { readonly kind: "start"; readonly name: string; readonly pid: number }
  | {
      readonly kind: "exit";
      readonly name: string;
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
    }
  /** Watchdog: opened; timeout set; 'V' written; closed or its holder died; it stands still now. */
  | { readonly kind: "open" }
  | { readonly kind: "set"; readonly timeoutSeconds: number }
  | { readonly kind: "magic" }
  | { readonly kind: "close" }
  | { readonly kind: "stop" }
  /** A pet, of any kind; `count` is of this boot. Told to listeners, not kept in the log. */
  | { readonly kind: "pet"; readonly count: number }
  /** Due at `dueMs`. */
  | { readonly kind: "fire"; readonly dueMs: number }
  | { readonly kind: "sysrq"; readonly command: string }
  | { readonly kind: "freeze" }
  | { readonly kind: "thaw" }
  /** No thread of that boot is left. */
  | { readonly kind: "dead"; readonly cause: DeathCause; readonly bootID: string }
);

export type VirtualNodeOptions = {
  readonly name: string;
  /** 32 lower-case hex digits. */
  readonly machineID: string;
  /** Its own: what it held is removed. */
  readonly directory: string;
  readonly watchdog?: VirtualWatchdog;
  /** What runs on it; asked anew at every boot. */
  readonly commands: (node: VirtualNode) => readonly VirtualProcess[];
  /** From the death of one boot to the start of the next. */
  readonly bootDelayMs?: number;
};

export type VirtualNode = {
  readonly name: string;
  readonly machineID: string;
  /** What its processes are to take for `/`. */
  readonly hostRoot: string;
  readonly watchdogPath: string;
  /** Output of its processes: `<name>.log`, across boots. */
  readonly logDirectory: string;
  /** For processes that use its watchdog and its clock; the clock's is another in every boot. */
  readonly environment: Readonly<Record<string, string>>;
  /** Of the present boot, or of the last one. */
  readonly bootID: string;
  readonly isUp: boolean;
  /** Everything that happened, but single pets. */
  readonly events: readonly VirtualNodeEvent[];
  /** Pets of this boot. */
  readonly petCount: number;
  readonly watchdogState: WatchdogState;
  /** Starts it. It boots by itself after a death, until `stayDown`. */
  boot(): void;
  /** Ends every process at once, and stays down. */
  powerOff(): Promise<void>;
  /** The next death, or the one it has not booted from yet, is the last, until `boot`. */
  stayDown(): void;
  /** @throws {Error} when no such process runs. */
  kill(processName: string, signal: NodeJS.Signals): void;
  /** `always` also starts it when it is down. Holds until the next boot. */
  setRestart(processName: string, policy: RestartPolicy): void;
  pid(processName: string): number | null;
  freeze(watchdog: FrozenWatchdog): Promise<void>;
  thaw(): void;
  /** Returns what ends the listening. */
  on(listener: (event: VirtualNodeEvent) => void): () => void;
  /**
   * The first event, of those logged or to come, that is wanted.
   *
   * @throws {Error} when there is none within `withinMs`, with the log.
   */
  waitFor(
    wanted: (event: VirtualNodeEvent) => boolean,
    withinMs: number,
  ): Promise<VirtualNodeEvent>;
  /** Powers off and lets go of everything but the directory. */
  close(): Promise<void>;
};

type RunningProcess = {
  readonly process: VirtualProcess;
  restart: RestartPolicy;
  pid: number | null;
  startedMs: number;
  failures: number;
  timer: NodeJS.Timeout | null;
};

type Phase = "off" | "up" | "dying" | "waiting";

const BOOT_DELAY_MS = 1000;
const DEATH_MS_MAX = 30_000;
const EVENTS_MAX = 10_000;
const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 5000;
/** Having run so long, a process starts its backoff anew. */
const STABLE_MS = 10_000;
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Now, on the clock of all events here. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function createVirtualNode(options: VirtualNodeOptions): VirtualNode {
  return new Supervisor(options);
}

class Supervisor implements VirtualNode {
  readonly name: string;
  readonly machineID: string;
  readonly logDirectory: string;
  environment: Readonly<Record<string, string>>;
  bootID = "";
  petCount = 0;
  watchdogState: WatchdogState;

  readonly #options: VirtualNodeOptions;
  readonly #watchdog: Required<VirtualWatchdog>;
  readonly #root: HostRoot;
  readonly #controlPath: string;
  readonly #events: VirtualNodeEvent[] = [];
  readonly #listeners = new Set<(event: VirtualNodeEvent) => void>();
  readonly #processes = new Map<string, RunningProcess>();
  readonly #watchdogFifo: FifoReader;
  readonly #sysrqFifo: FifoReader;
  #parse = createWatchdogRecordParser();
  #phase: Phase = "off";
  #staysDown = false;
  #bootStatus = 0;
  #group: ProcessGroup | null = null;
  #fireTimer: NodeJS.Timeout | null = null;
  #bootTimer: NodeJS.Timeout | null = null;
  #frozen: { readonly watchdog: FrozenWatchdog; readonly sinceMs: number } | null = null;
  #dying: Promise<void> = Promise.resolve();

  constructor(options: VirtualNodeOptions) {
    assert(/^[0-9a-f]{32}$/u.test(options.machineID), "A machine ID has 32 lower-case hex digits");
    this.#options = options;
    this.name = options.name;
    this.machineID = options.machineID;
    this.#watchdog = {
      identity: "Software Watchdog",
      timeoutSeconds: 60,
      minTimeoutSeconds: 1,
      maxTimeoutSeconds: 65_535,
      nowayout: false,
      magicClose: true,
      timeoutFactor: 1,
      toleranceMs: 0,
      ...options.watchdog,
    };
    this.watchdogState = initialWatchdogState(this.#watchdog);
    this.#root = createHostRoot(join(options.directory, "root"), options.machineID, {
      ...this.#watchdog,
      options: this.#watchdogOptions(),
    });
    this.logDirectory = join(options.directory, "log");
    mkdirSync(this.logDirectory, { recursive: true });
    this.#controlPath = join(options.directory, "watchdog-control");
    this.environment = {
      LD_PRELOAD: interposerPath(),
      SBD_VIRTUAL_WATCHDOG: this.#root.watchdogPath,
      SBD_VIRTUAL_WATCHDOG_CONTROL: this.#controlPath,
    };
    this.#resetWatchdog();
    this.#watchdogFifo = createFifoReader(this.#root.watchdogPath, {
      data: (chunk) => this.#watchdogData(chunk),
      end: () => this.#watchdogEvents([{ kind: "close", tMs: monotonicMs(), exact: false }]),
    });
    this.#sysrqFifo = createFifoReader(this.#root.sysrqPath, {
      data: (chunk) => this.#sysrqData(chunk),
      end: () => {},
    });
  }

  get hostRoot(): string {
    return this.#root.path;
  }

  get watchdogPath(): string {
    return this.#root.watchdogPath;
  }

  get isUp(): boolean {
    return this.#phase === "up";
  }

  get events(): readonly VirtualNodeEvent[] {
    return this.#events;
  }

  boot(): void {
    assert(
      this.#phase === "off" || this.#phase === "waiting",
      `${this.name} cannot boot: it is ${this.#phase}`,
    );
    this.#cancelBoot();
    this.#staysDown = false;
    this.#startBoot();
  }

  async powerOff(): Promise<void> {
    this.stayDown();
    if (this.#phase === "up") this.#die("power");
    await this.#dying;
  }

  stayDown(): void {
    this.#staysDown = true;
    if (this.#phase !== "waiting") return;
    this.#cancelBoot();
    this.#phase = "off";
  }

  kill(processName: string, signal: NodeJS.Signals): void {
    const pid = this.pid(processName);
    if (pid === null) throw new Error(`${this.name} runs no '${processName}' to send ${signal} to`);
    process.kill(pid, signal);
  }

  setRestart(processName: string, policy: RestartPolicy): void {
    const running = this.#processes.get(processName);
    if (running === undefined) throw new Error(`${this.name} has no process '${processName}'`);
    running.restart = policy;
    if (policy === "never" && running.timer !== null) {
      clearTimeout(running.timer);
      running.timer = null;
    }
    if (policy === "always" && running.pid === null && running.timer === null) this.#start(running);
  }

  pid(processName: string): number | null {
    return this.#processes.get(processName)?.pid ?? null;
  }

  async freeze(watchdog: FrozenWatchdog): Promise<void> {
    assert(this.#phase === "up" && this.#group !== null, `${this.name} cannot freeze: it is down`);
    assert(this.#frozen === null, `${this.name} is frozen already`);
    // Before anything stops: the watchdog of a paused machine must not fire while we look.
    this.#watchdogFifo.drain();
    this.#frozen = { watchdog, sinceMs: monotonicMs() };
    this.#armFireTimer();
    await this.#group.freeze();
    this.#log({ tMs: monotonicMs(), kind: "freeze" });
  }

  thaw(): void {
    if (this.#frozen === null || this.#group === null) return;
    const { watchdog, sinceMs } = this.#frozen;
    if (watchdog === "watchdog-stops") {
      this.#watchdogFifo.drain();
      const lastPetMs = this.watchdogState.lastPetMs + (monotonicMs() - sinceMs);
      this.watchdogState = { ...this.watchdogState, lastPetMs };
    }
    this.#frozen = null;
    this.#log({ tMs: monotonicMs(), kind: "thaw" });
    this.#armFireTimer();
    this.#group.thaw();
  }

  on(listener: (event: VirtualNodeEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  waitFor(
    wanted: (event: VirtualNodeEvent) => boolean,
    withinMs: number,
  ): Promise<VirtualNodeEvent> {
    const past = this.#events.find(wanted);
    if (past !== undefined) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stop();
        const log = this.#events.map((event) => JSON.stringify(event)).join("\n  ");
        reject(new Error(`Not seen on ${this.name} within ${withinMs} ms; its log:\n  ${log}`));
      }, withinMs);
      const stop = this.on((event) => {
        if (!wanted(event)) return;
        stop();
        clearTimeout(timer);
        resolve(event);
      });
    });
  }

  async close(): Promise<void> {
    await this.powerOff();
    this.#watchdogFifo.close();
    this.#sysrqFifo.close();
  }

  // Life and death

  #startBoot(): void {
    this.#phase = "up";
    this.#frozen = null;
    this.bootID = randomUUID();
    this.environment = { ...this.environment, SBD_VIRTUAL_BOOT_NS: `${native.monotonicRawNs()}` };
    this.petCount = 0;
    this.#resetWatchdog();
    this.#root.startBoot(this.bootID);
    this.#log({ tMs: monotonicMs(), kind: "boot", bootID: this.bootID });
    this.#startGroup();
  }

  #startGroup(): void {
    const bootID = this.bootID;
    const ifThisBoot = (act: () => void): void => {
      if (this.#phase === "up" && this.bootID === bootID) act();
    };
    this.#group = createProcessGroup(
      {
        started: (name, pid) => ifThisBoot(() => this.#started(name, pid)),
        exited: (name, code, signal) => ifThisBoot(() => this.#exited(name, code, signal)),
      },
      join(this.logDirectory, "init.log"),
    );
    this.#processes.clear();
    for (const process of this.#options.commands(this)) {
      const { name, restart } = process;
      assert(!this.#processes.has(name), `Two processes of ${this.name} are called '${name}'`);
      const running = { process, restart, pid: null, startedMs: 0, failures: 0, timer: null };
      this.#processes.set(name, running);
      this.#start(running);
    }
  }

  #die(cause: DeathCause): void {
    if (this.#phase !== "up") return;
    assert(this.#group !== null, "A node that is up has processes");
    this.#phase = "dying";
    this.#clearFireTimer();
    for (const { timer } of this.#processes.values()) if (timer !== null) clearTimeout(timer);
    this.#dying = this.#finishDeath(cause, this.#group);
    // Whoever waits for the death gets the error; without them it must not pass unseen either.
    this.#dying.catch((error: unknown) => {
      throw error;
    });
  }

  async #finishDeath(cause: DeathCause, group: ProcessGroup): Promise<void> {
    await group.kill(DEATH_MS_MAX);
    const tMs = monotonicMs();
    // What the dead wrote last must not be taken for the next boot's.
    this.#watchdogFifo.drain();
    this.#sysrqFifo.drain();
    this.#parse = createWatchdogRecordParser();
    this.#group = null;
    this.#frozen = null;
    for (const running of this.#processes.values()) running.pid = null;
    this.#bootStatus = cause === "watchdog" ? WATCHDOG_OPTION.cardReset : 0;
    this.#phase = this.#staysDown ? "off" : "waiting";
    if (!this.#staysDown) {
      this.#bootTimer = setTimeout(
        () => this.#startBoot(),
        this.#options.bootDelayMs ?? BOOT_DELAY_MS,
      );
    }
    this.#log({ tMs, kind: "dead", cause, bootID: this.bootID });
  }

  #cancelBoot(): void {
    if (this.#bootTimer !== null) clearTimeout(this.#bootTimer);
    this.#bootTimer = null;
  }

  // Processes

  #start(running: RunningProcess): void {
    const { name, argv, env = {} } = running.process;
    if (this.#frozen !== null) {
      running.timer = setTimeout(() => this.#start(running), RESTART_MS_MIN);
      return;
    }
    running.timer = null;
    running.startedMs = monotonicMs();
    const logPath = join(this.logDirectory, `${name}.log`);
    this.#group?.start({ name, argv, env, logPath });
  }

  #started(name: string, pid: number): void {
    const running = this.#processes.get(name);
    if (running === undefined) return;
    running.pid = pid;
    this.#log({ tMs: monotonicMs(), kind: "start", name, pid });
  }

  #exited(name: string, code: number | null, signal: NodeJS.Signals | null): void {
    const running = this.#processes.get(name);
    if (running === undefined) return;
    const tMs = monotonicMs();
    running.pid = null;
    if (tMs - running.startedMs >= STABLE_MS) running.failures = 0;
    this.#log({ tMs, kind: "exit", name, code, signal });
    if (running.restart === "never") return;
    const delayMs = Math.min(RESTART_MS_MIN * 2 ** running.failures, RESTART_MS_MAX);
    running.failures += 1;
    running.timer = setTimeout(() => this.#start(running), delayMs);
  }

  // Watchdog and sysrq

  #watchdogOptions(): number {
    const { keepAlivePing, magicClose, setTimeout } = WATCHDOG_OPTION;
    return keepAlivePing | setTimeout | (this.#watchdog.magicClose ? magicClose : 0);
  }

  #resetWatchdog(): void {
    this.watchdogState = initialWatchdogState(this.#watchdog);
    writeWatchdogControl(this.#controlPath, {
      ...this.#watchdog,
      options: this.#watchdogOptions(),
      bootStatus: this.#bootStatus,
    });
    this.#showWatchdog();
  }

  #showWatchdog(): void {
    const { active, timeoutSeconds } = this.watchdogState;
    this.#root.showWatchdog({ active, timeoutSeconds, bootStatus: this.#bootStatus });
  }

  #watchdogData(chunk: Buffer): void {
    this.#watchdogEvents(this.#parse(chunk, monotonicMs()));
  }

  #watchdogEvents(events: readonly WatchdogEvent[]): void {
    for (const event of events) {
      if (this.#phase !== "up") return;
      this.#watchdogEvent(event);
    }
    this.#armFireTimer();
  }

  #watchdogEvent(event: WatchdogEvent): void {
    const before = this.watchdogState;
    const step = stepWatchdog(this.#watchdog, before, event);
    if (step.fired) return this.#fire();
    this.watchdogState = step.state;
    const { tMs, kind } = event;
    if (step.pets) {
      this.petCount += 1;
      this.#tell({ tMs, kind: "pet", count: this.petCount });
    }
    const { timeoutSeconds, active, open } = step.state;
    if (kind === "set") this.#log({ tMs, kind, timeoutSeconds });
    else if (kind === "magic" || kind === "open") this.#log({ tMs, kind });
    else if (kind === "close" && before.open && !open) this.#log({ tMs, kind });
    if (before.active && !active) {
      markWatchdogStopped(this.#controlPath);
      this.#log({ tMs, kind: "stop" });
    }
    if (before.active !== active || before.timeoutSeconds !== timeoutSeconds) this.#showWatchdog();
  }

  #armFireTimer(): void {
    this.#clearFireTimer();
    if (this.#phase !== "up" || this.#frozen?.watchdog === "watchdog-stops") return;
    const dueMs = firesAtMs(this.#watchdog, this.watchdogState);
    if (dueMs === Infinity) return;
    const inMs = Math.min(Math.max(0, dueMs - monotonicMs()), TIMER_MS_MAX);
    this.#fireTimer = setTimeout(() => this.#due(), Math.ceil(inMs));
  }

  #clearFireTimer(): void {
    if (this.#fireTimer !== null) clearTimeout(this.#fireTimer);
    this.#fireTimer = null;
  }

  #due(): void {
    // Pets that wait to be read were made in time, if this process was the one that was late.
    this.#watchdogFifo.drain();
    if (this.#phase !== "up") return;
    if (monotonicMs() >= firesAtMs(this.#watchdog, this.watchdogState)) this.#fire();
    else this.#armFireTimer();
  }

  #fire(): void {
    const dueMs = firesAtMs(this.#watchdog, this.watchdogState);
    this.#log({ tMs: monotonicMs(), kind: "fire", dueMs });
    this.#die("watchdog");
  }

  #sysrqData(chunk: Buffer): void {
    for (const command of chunk.toString("latin1").trim()) {
      if (this.#phase !== "up") return;
      this.#log({ tMs: monotonicMs(), kind: "sysrq", command });
      if (command === "b") this.#die("sysrq");
    }
  }

  // The log

  #log(event: VirtualNodeEvent): void {
    if (this.#events.length < EVENTS_MAX) this.#events.push(event);
    this.#tell(event);
  }

  #tell(event: VirtualNodeEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
