import { Boot } from "./boot.ts";
import { DiskPath } from "./disk-path.ts";
import type { Hardware } from "./hardware.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** One machine: it has a way to the storage and a network, and boots again and again. */
export class Machine {
  readonly world: World;
  /** For traces and IDs: `m1`. */
  readonly label: string;
  /** What DMI says: a clone's is its original's. */
  readonly machineID: string;
  readonly nodeName: string;
  readonly hardware: Hardware;
  readonly path: DiskPath;
  readonly random: Random;
  /** 1-based, of its node. */
  readonly node: number;
  boot: Boot | null = null;
  /** Its last boot that is over; empty where none is. */
  lastOverBootID = "";
  sysrqWorks: boolean;
  wallOffsetMs = 0;
  watchdogLateness = 1;
  autonomous = false;
  agentCutUntilMs = 0;
  kubeletCutUntilMs = 0;
  agentAwayUntilMs = 0;
  /** The next agent of it that latches dies so long after it; null = of itself. */
  killLatchedAfterMs: number | null = null;
  /** Data I/O of a boot that ends goes on until then: outside the claim. */
  queuedIoUntilMs = 0;
  #offUntilMs = 0;
  #boots = 0;

  constructor(
    world: World,
    facts: {
      readonly label: string;
      readonly machineID?: string;
      readonly node: number;
      readonly hardware: Hardware;
    },
  ) {
    this.world = world;
    this.label = facts.label;
    this.machineID = facts.machineID ?? facts.label;
    this.nodeName = `worker-${facts.node}`;
    this.node = facts.node;
    this.hardware = facts.hardware;
    this.sysrqWorks = facts.hardware.sysrqWorks;
    this.path = new DiskPath(world.device, world.array);
    this.random = world.random(`machine ${facts.label}`);
  }

  /** Comes up after `delayMs` unless somebody keeps it off. */
  powerOn(delayMs: number): void {
    const { timeline } = this.world;
    if (this.#offUntilMs === Infinity) {
      return;
    }
    timeline.at(Math.max(timeline.nowMs + delayMs, this.#offUntilMs), () => {
      if (this.boot !== null) {
        return;
      }
      if (timeline.nowMs < this.#offUntilMs) {
        this.powerOn(0);
        return;
      }
      this.#boots += 1;
      this.boot = new Boot(this, `boot-${this.label}.${this.#boots}`);
      this.boot.begin();
    });
  }

  powerOff(forMs: number, why: string): void {
    this.#offUntilMs = Math.max(this.#offUntilMs, this.world.timeline.nowMs + forMs);
    this.die(why);
  }

  /** Runs on, and does not come up again once it is down. */
  keepOff(): void {
    this.#offUntilMs = Infinity;
  }

  /** The boot ends; the machine comes up again by itself. */
  die(why: string): void {
    const { boot } = this;
    if (boot === null) {
      return;
    }
    this.boot = null;
    this.lastOverBootID = boot.bootID;
    boot.end(why);
    this.powerOn(this.hardware.bootMs);
  }

  agentReaches(): boolean {
    return this.world.timeline.nowMs >= this.agentCutUntilMs;
  }
}
