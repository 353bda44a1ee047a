import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { OnStorageLoss } from "../../src/protocol/device-header.ts";
import { deriveTiming, msgwaitArithmetic, seconds } from "../../src/timing/contract.ts";
import type { Timing } from "../../src/timing/contract.ts";
import { EMULATION_MS, RESET_REPORT_MS } from "./allowance.ts";
import { bounded, elapse } from "./bounded.ts";
import type { Cluster } from "./cluster.ts";
import { ControlPlane } from "./control-plane.ts";
import { fenceByCommand } from "./fence-by-command.ts";
import type { Fencing } from "./fencing.ts";
import type { Guest } from "./guest.ts";
import type { GuestService, GuestSettings, GuestWatchdog } from "./guest-settings.ts";
import { guestBundle } from "./initramfs.ts";
import { monoMs } from "./monotonic.ts";
import type { Bound, Play } from "./scenario.ts";
import { workload } from "./self-checks/stand-ins.ts";
import { SlotWatch } from "./slot-watch.ts";

/**
 * How guests are told what to do.
 * - `device`: agents without their API process; `sbdctl device fence` on this machine is the fencer.
 * - `kubernetes`: an API server and two operators on this machine; whichever agent is named fences.
 */
export type Control = "device" | "kubernetes";

export type GuardedOptions = {
  readonly control: Control;
  readonly names?: readonly string[];
  readonly timeoutSeconds?: number;
  readonly watchdogSeconds?: number;
  readonly onStorageLoss?: OnStorageLoss;
  readonly watchdog?: GuestWatchdog;
  readonly blockBytes?: 512 | 4096;
  /** Agents find a trigger that takes what is written and does nothing. */
  readonly sysrq?: "does-nothing";
  readonly agentEnvironment?: Readonly<Record<string, string>>;
  /** Seconds from the end of a guest's agent to its next start; 1 where nothing is said. */
  readonly agentRestart?: Readonly<Record<string, number | "never">>;
};

/** The end of a boot as seen from outside. */
export type Death = {
  readonly bootId: string;
  /** The last write of its workload: it lived so long at least. */
  readonly lastWorkMs: number;
  /** When QEMU reported the reset: it lived no longer. */
  readonly resetMs: number;
};

const READY_BOUND_MS = 150_000;
/** A workload writes every 100 ms; this is for processors that others use as well. */
const WORK_BOUND_MS = 10_000;
const NAMES = ["a", "b", "c"] as const;

/** Guests with an agent and a workload each, on an initialised device. */
export class GuardedCluster {
  readonly cluster: Cluster;
  readonly play: Play;
  readonly timing: Timing;
  readonly watch: SlotWatch;
  readonly plane: ControlPlane | undefined;
  readonly #options: GuardedOptions;
  readonly #names: readonly string[];

  private constructor(
    cluster: Cluster,
    play: Play,
    options: GuardedOptions,
    timing: Timing,
    plane: ControlPlane | undefined,
  ) {
    this.cluster = cluster;
    this.play = play;
    this.timing = timing;
    this.plane = plane;
    this.#options = options;
    this.#names = options.names ?? NAMES;
    const strideBytes = options.blockBytes ?? 512;
    this.watch = new SlotWatch(
      cluster.sbdDisk,
      strideBytes,
      this.#names.map((_, index) => index + 1),
    );
    const history = join(cluster.folder, "slots.log");
    cluster.onStop(() => {
      this.watch.close();
      writeFileSync(history, this.watch.history());
    });
  }

  /** Initialises the device, starts everything, and waits until every agent is armed and sees all. */
  static async start(
    cluster: Cluster,
    play: Play,
    options: GuardedOptions,
  ): Promise<GuardedCluster> {
    const timeoutSeconds = options.timeoutSeconds ?? 10;
    const watchdogSeconds = options.watchdogSeconds ?? 4;
    const onStorageLoss = options.onStorageLoss ?? "SelfFence";
    const timing = deriveTiming({
      timeoutMs: timeoutSeconds * 1000,
      watchdogMs: watchdogSeconds * 1000,
    });
    play.tell(`T = ${timeoutSeconds} s, W = ${watchdogSeconds} s, ${msgwaitArithmetic(timing)}`);
    cluster.sbdBlockBytes = options.blockBytes ?? 512;
    await initDevice(cluster.sbdDisk.path, options, {
      timeoutSeconds,
      watchdogSeconds,
      onStorageLoss,
    });
    const names = options.names ?? NAMES;
    const plane =
      options.control === "kubernetes"
        ? await ControlPlane.start(cluster, play, {
            directory: cluster.folder,
            nodeNames: names,
            timeoutSeconds,
            watchdogSeconds,
            onStorageLoss,
          })
        : undefined;
    const guarded = new GuardedCluster(cluster, play, options, timing, plane);
    const startedMs = monoMs();
    await cluster.start(names.map((name) => ({ name, settings: guarded.settingsOf(name) })));
    play.tell(`${names.length} guests have booted`);
    await guarded.ready(names);
    for (const { name, boots } of cluster.guests) {
      if (boots.length > 1) throw new Error(`${name} was reset before anything was done to it.`);
    }
    play.measure("from power on to all agents armed and seeing each other", monoMs() - startedMs);
    play.tell("all agents are armed and see each other");
    return guarded;
  }

  guest(name: string): Guest {
    return this.cluster.guest(name);
  }

  /** What a boot of that guest runs; `more` is the environment of its agent. */
  settingsOf(name: string, more: Readonly<Record<string, string>> = {}): GuestSettings {
    const { watchdog = { driver: "i6300esb", parameters: {} } } = this.#options;
    return {
      watchdog,
      services: [this.agentOf(name, more), workload(name, this.#names.indexOf(name))],
    };
  }

  /** The agent as a kubelet would run it. */
  agentOf(name: string, more: Readonly<Record<string, string>> = {}): GuestService {
    const environment = {
      NODE_NAME: name,
      SBD_TIMEOUT_SECONDS: String(this.timing.timeoutMs / 1000),
      SBD_METRICS_PORT: "0",
      SBD_METRICS_ADDRESS: "127.0.0.1",
      ...this.#options.agentEnvironment,
      ...more,
    };
    const program = ["node", "--max-old-space-size=96", `${guestBundle}/sbd.mjs`, "agent"];
    const node =
      this.#options.sysrq === undefined
        ? program
        : ["sh", "-c", `mount -o bind /dev/null /proc/sysrq-trigger && exec ${program.join(" ")}`];
    const restartSeconds = this.#options.agentRestart?.[name] ?? 1;
    if (this.plane === undefined) {
      return {
        name: "agent",
        argv: node,
        environment: {
          ...environment,
          SBD_API_PROCESS: "false",
          SBD_NODE_ID: String(this.#names.indexOf(name) + 1),
        },
        restartSeconds,
      };
    }
    return {
      name: "agent",
      argv: ["sh", "-c", `echo "$TOKEN_FILE" | base64 -d >/tmp/kubeconfig; exec ${node.join(" ")}`],
      environment: {
        ...environment,
        KUBECONFIG: "/tmp/kubeconfig",
        TOKEN_FILE: this.plane.agentKubeconfig(name),
        SBD_CONFIG_NAME: this.plane.configName,
      },
      restartSeconds,
    };
  }

  /** The slot of a guest; throws while its agent has not beaten. */
  nodeID(name: string): number {
    const index = this.#names.findIndex((_, at) => this.watch.heartbeat(at + 1)?.nodeName === name);
    if (index < 0) throw new Error(`The agent of ${name} has not written a heartbeat yet.`);
    return index + 1;
  }

  /** Waits until the agents of these guests are armed in their present boots and see all others. */
  async ready(names: readonly string[], sinceMs = 0): Promise<void> {
    const isReady = (): boolean =>
      names.every((name) =>
        this.watch.ready(sinceMs).some((nodeID) => {
          const record = this.watch.heartbeat(nodeID);
          return record?.nodeName === name && record.bootID === this.guest(name).bootId;
        }),
      );
    const waiting = (async () => {
      while (!isReady()) {
        await this.watch.first("any heartbeat", monoMs(), READY_BOUND_MS, (event) => {
          return event.kind === "heartbeat";
        });
      }
    })();
    await bounded(waiting, READY_BOUND_MS, `the agents of ${names.join(", ")} to be armed`);
    await Promise.all(
      names.map(async (name) => await this.cluster.observer.working(name, 1, 30_000)),
    );
  }

  /** Waits until the boot after that death is armed and at work. */
  async returns(name: string, death: Death): Promise<void> {
    const boot = await this.guest(name).booted(death.resetMs, READY_BOUND_MS);
    await this.ready([name]);
    const isAtWork = this.cluster.observer.life(boot.bootId) !== undefined;
    if (!isAtWork) {
      await this.cluster.observer.nextLife(30_000, `work of ${name}`, ({ bootId }) => {
        return bootId === boot.bootId;
      });
    }
    this.play.tell(`${name} runs again, armed, as boot ${boot.bootId.slice(0, 8)}`);
  }

  /** Orders a guest dead; it resolves when the order has been given, not when it is durable. */
  async fence(name: string): Promise<Fencing> {
    const requestedMs = monoMs();
    const bootId = this.watch.heartbeat(this.nodeID(name))?.bootID ?? "";
    const nodeID = this.nodeID(name);
    const { cluster, watch, play } = this;
    const ordered =
      this.plane === undefined ? fenceByCommand(cluster, name) : this.plane.request(name);
    play.tell(`the death of ${name} is asked for`, requestedMs);
    return {
      requestedMs,
      bootId,
      durable: async (boundMs) => {
        const event = await watch.first(
          `a fence message for ${name}`,
          requestedMs,
          boundMs,
          (event) => event.kind === "fence" && event.nodeID === nodeID,
        );
        play.tell(`a fence message stands in slot ${nodeID}`, event.atMs);
        return event.atMs;
      },
      confirmed: async (boundMs) => {
        return await bounded(ordered.confirmed, boundMs, `a fencer's durable message for ${name}`);
      },
      declared: async (boundMs) => {
        const declared = await bounded(ordered.declared, boundMs, `the death of ${name} declared`);
        play.tell(`DECLARED DEAD: ${declared.kind}, ${declared.detail}`, declared.atMs);
        return declared;
      },
      declaredYet: () => ordered.declaredYet(),
    };
  }

  /** The next reset of a guest after `sinceMs`, and when its work ended. */
  async death(name: string, sinceMs: number, boundMs: number): Promise<Death> {
    const guest = this.guest(name);
    const bootId = guest.boots.findLast((boot) => boot.atMs < sinceMs)?.bootId ?? guest.bootId;
    const reset = await guest.reset(sinceMs, boundMs);
    const lastWorkMs = this.cluster.observer.life(bootId)?.lastMs ?? sinceMs;
    this.play.tell(`${name} wrote for the last time`, lastWorkMs);
    this.play.tell(`${name} is reset`, reset.atMs);
    return { bootId, lastWorkMs, resetMs: reset.atMs };
  }

  /** The instant at which the armed agent of a guest acknowledged, read off the device. */
  async acknowledged(name: string, sinceMs: number, boundMs: number): Promise<number> {
    const nodeID = this.nodeID(name);
    const event = await this.watch.first(
      `an acknowledgement of ${name}`,
      sinceMs,
      boundMs,
      (event) => event.kind === "heartbeat" && event.nodeID === nodeID && event.record.fenced,
    );
    this.play.tell(`${name} acknowledges`, event.atMs);
    return event.atMs;
  }

  /** Holds a death against the longest life the contract allows from `fromMs`. */
  judgeDeath(what: string, fromMs: number, death: Death, boundMs: number, sum: string): void {
    this.play.measure(`${what} to its last write`, death.lastWorkMs - fromMs, {
      toMs: boundMs + EMULATION_MS,
      why: `${sum} = ${seconds(boundMs)}, + ${seconds(EMULATION_MS)} for emulation`,
    });
    const lateMs = EMULATION_MS + RESET_REPORT_MS;
    this.play.measure(`${what} to its reset`, death.resetMs - fromMs, {
      toMs: boundMs + lateMs,
      why: `${sum} = ${seconds(boundMs)}, + ${seconds(lateMs)} for emulation and QEMU's report`,
    });
  }

  /** Law 1, seen from outside: nothing of the boot that was declared dead may come after. */
  judgeDeclaration(bootId: string, declaredMs: number): void {
    const lastMs = this.cluster.observer.life(bootId)?.lastMs ?? 0;
    this.play.measure("declared dead, after its last write", declaredMs - lastMs, OUTLIVED_NOTHING);
  }

  /**
   * The same where the watchdog alone ends it, from when no pet was to come any more. A command takes
   * an emulated machine a moment, up to 4 s were seen: as long as the boot's heartbeats come, it was
   * not carried out.
   */
  judgeWatchdog(what: string, askedMs: number, death: Death): void {
    const lastBeat = this.watch.events.findLast(
      (event) => event.kind === "heartbeat" && event.record.bootID === death.bootId,
    );
    const fromMs = Math.max(askedMs, lastBeat?.atMs ?? askedMs);
    this.judgeDeath(what, fromMs, death, this.timing.watchdogMs, "W");
  }

  /** Nobody is reset for so long. */
  async nobodyDies(forMs: number): Promise<void> {
    await elapse(forMs);
    await this.everybodyElseLives();
    this.play.measure("watched, and nobody was reset", forMs);
  }

  /** This guest is not reset again for so long, and works to the end of it. */
  async staysUp(name: string, forMs: number): Promise<void> {
    const { boots } = this.guest(name);
    const count = boots.length;
    await elapse(forMs);
    if (boots.length !== count) throw new Error(`${name} was reset again.`);
    this.play.measure(`${name} stays up for`, forMs);
    await this.#judgeWork(name);
  }

  /** The slowest pass that any heartbeat after `sinceMs` told of. */
  slowestPass(sinceMs: number): number {
    return Math.max(
      ...this.watch.events.map((event) =>
        event.kind === "heartbeat" && event.atMs > sinceMs ? event.record.passLatencyMs : 0,
      ),
    );
  }

  /** Its present boot goes on writing. */
  async #judgeWork(name: string): Promise<void> {
    const { bootId } = this.guest(name);
    const askedMs = monoMs();
    const life = await this.cluster.observer.nextLife(
      WORK_BOUND_MS,
      `a write of ${name}, which is to be at work`,
      (it) => it.bootId === bootId,
    );
    this.play.measure(`${name} is at work: its next write came after`, life.lastMs - askedMs);
  }

  /** T + 2W in words. */
  get longestLifeSum(): string {
    const { timeoutMs, watchdogMs } = this.timing;
    return `T + 2W = ${seconds(timeoutMs)} + 2 × ${seconds(watchdogMs)}`;
  }

  /** Nobody but these booted more than once, and everybody is at work. */
  async everybodyElseLives(...fallen: readonly string[]): Promise<void> {
    await elapse(1000);
    for (const guest of this.cluster.guests) {
      if (fallen.includes(guest.name)) continue;
      if (guest.boots.length !== 1) {
        throw new Error(`${guest.name} was reset, and nobody had asked for that.`);
      }
      await this.#judgeWork(guest.name);
    }
  }
}

const OUTLIVED_NOTHING: Bound = { fromMs: 0, why: "no death is claimed before it has happened" };

async function initDevice(
  image: string,
  { blockBytes }: GuardedOptions,
  header: {
    readonly timeoutSeconds: number;
    readonly watchdogSeconds: number;
    readonly onStorageLoss: OnStorageLoss;
  },
): Promise<void> {
  const run = promisify(execFile);
  const sbdctl = join(import.meta.dirname, "../../bin/sbdctl");
  const init = async (path: string): Promise<void> => {
    const { timeoutSeconds, watchdogSeconds, onStorageLoss } = header;
    const contract = `--timeout-seconds ${timeoutSeconds} --watchdog-timeout-seconds ${watchdogSeconds}`;
    const more = `${contract} --on-storage-loss ${onStorageLoss} --cluster virtual-machines`;
    await run(sbdctl, ["device", "init", path, ...more.split(" ")]);
  };
  if (blockBytes === undefined) {
    await init(image);
    return;
  }
  // A file has no block size; a loop device on it has the wanted one.
  const losetup = ["--find", "--show", "--direct-io=on", "--sector-size", String(blockBytes)];
  const { stdout } = await run("losetup", [...losetup, image]);
  const loop = stdout.trim();
  try {
    await init(loop);
  } finally {
    await run("losetup", ["--detach", loop]);
  }
}
