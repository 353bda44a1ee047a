import type { AgentStatus, FromCore, ToCore } from "../src/agent/driver/api-message.ts";
import { createClusterSide, type ClusterSide } from "../src/agent/api/cluster-side.ts";
import type { SBDNode } from "../src/api/sbd-node.ts";
import type { SBDRemediation } from "../src/api/sbd-remediation.ts";
import { createFencerSide, type FencerSide } from "../src/fencing/cluster/fencer-side.ts";
import { packRecord } from "../src/fencing/shell/packed-record.ts";
import { apiTimeoutMs } from "../src/kube/api-timeout.ts";
import type { KubeObject } from "../src/kube/kube-object.ts";
import type { KubeCache } from "../src/kube/kube-port.ts";
import type { AgentProcess } from "./agent-process.ts";
import { CONFIG_NAME } from "./api-store.ts";
import { kubePort } from "./kube-port.ts";
import { WALL_START_MS } from "./world.ts";

const REVIEW_EVERY_MS = 5_000;
const RELIST_MS = 10_000;
const WATCH_DELAY_MS = 2_000;
/** How often the core process tells: ten times as long as in production, and less than a leader's patience. */
const STATUS_EVERY_MS = 10_000;
/** A watch that has not told the last change yet. */
const BEHIND = 0.1;

/** The API process of one agent: what it asks and tells is what ships; caches, watches and their delays are here. */
export class AgentApi {
  readonly #agent: AgentProcess;
  #fencerSide: FencerSide | null = null;
  readonly #side: ClusterSide;
  #sbdNodes: readonly SBDNode[];
  #requests: readonly SBDRemediation[] = [];
  #synced = false;
  /** When the last event of the watch is told. */
  #toldMs = -Infinity;
  #toldStanding = "";
  #heardMs = -Infinity;

  constructor(agent: AgentProcess) {
    this.#agent = agent;
    const { api, timeline } = agent.world;
    const { nodeName } = agent.state.config;
    this.#sbdNodes = api.sbdNodes.list();
    const shared = {
      kube: kubePort({
        api,
        reaches: () => agent.boot.machine.agentReaches(),
        whenRunning: (hear) => agent.whenRunning(hear),
      }),
      clock: {
        monoMs: () => timeline.nowMs,
        wallMs: () => WALL_START_MS + Math.round(timeline.nowMs),
      },
      send: (message: ToCore) => agent.driver.receive(message),
      troubles: {
        note: (what: string, trouble: string | null) => {
          if (trouble !== null && what.startsWith("list of ")) {
            agent.world.say?.(`${nodeName} gets no ${what}`);
          }
        },
      },
    };
    const fencerSide = (timeoutMs: () => number): FencerSide =>
      createFencerSide({
        ...shared,
        requests: this.#cacheOf(() => (this.#synced ? this.#requests : null)),
        configs: this.#cacheOf(() => api.configs.list()),
        name: nodeName,
        configName: CONFIG_NAME,
        timeoutMs,
        pack: packRecord,
        log: () => undefined,
      });
    this.#side = createClusterSide({
      ...shared,
      nodeName,
      configName: CONFIG_NAME,
      sbdNodes: () => this.#sbdNodes,
      fencer: (timeoutMs) => (this.#fencerSide = fencerSide(timeoutMs)),
      recordEvent: () => undefined,
    });
  }

  begin(): void {
    const { world } = this.#agent;
    const { random } = this.#agent.boot.machine;
    const watcher = (): void => {
      if (!this.#agent.alive) {
        world.api.remediations.watchers.splice(world.api.remediations.watchers.indexOf(watcher), 1);
        return;
      }
      const listed = world.api.remediations.list();
      // Late, sometimes twice, and then not in order.
      const copies = random.chance(0.05) ? 2 : 1;
      for (let copy = 0; copy < copies; copy += 1) {
        const atMs = world.timeline.nowMs + random.next() ** 3 * WATCH_DELAY_MS;
        this.#toldMs = copies > 1 ? atMs : Math.max(atMs, this.#toldMs);
        world.timeline.at(this.#toldMs, () => {
          if (this.#reaches()) {
            this.#agent.whenRunning(() => this.#learnRequests(listed));
          }
        });
      }
    };
    world.api.remediations.watchers.push(watcher);
    this.#relist();
    this.#review();
  }

  /** What the core process tells of itself: at once where that changes, else with the next review. */
  tell(status: () => AgentStatus): void {
    const { state } = this.#agent;
    const { watchdog } = state;
    const standing =
      `${state.life.kind} ${watchdog.kind} ${watchdog.kind === "open" && watchdog.armed} ` +
      `${state.lastPass?.trouble === null} ${state.fenceUnreadable?.lasting === true}`;
    if (standing !== this.#toldStanding) {
      this.#toldStanding = standing;
      this.#hear(status());
    }
  }

  receive(message: Exclude<FromCore, { readonly type: "status" }>): void {
    this.#side.receive(message);
  }

  // What the cluster wants of the core process

  #learnRequests(listed: readonly SBDRemediation[]): void {
    this.#requests = listed;
    this.#synced = true;
    this.#fencerSide?.review();
  }

  #review(): void {
    const { world } = this.#agent;
    if (!this.#agent.alive) {
      return;
    }
    world.timeline.after(REVIEW_EVERY_MS, () => this.#review());
    if (!this.#reaches()) {
      return;
    }
    this.#agent.whenRunning(() => {
      const { random } = this.#agent.boot.machine;
      if (!random.chance(BEHIND)) {
        this.#sbdNodes = world.api.sbdNodes.list();
      }
      if (world.timeline.nowMs - this.#heardMs >= STATUS_EVERY_MS - 1) {
        this.#hear(this.#agent.driver.status());
      }
      this.#side.review();
      this.#agent.reportFencing();
    });
  }

  /** Watches may lie; a relist on a timer does not. */
  #relist(): void {
    if (!this.#agent.alive) {
      return;
    }
    const { world } = this.#agent;
    const listed = world.api.remediations.list();
    if (listed.length > 0 || this.#requests.length > 0 || !this.#synced) {
      this.#call(
        () => world.api.remediations.list(),
        (answer) => {
          if (answer !== null) {
            this.#learnRequests(answer);
          }
        },
      );
    }
    world.timeline.after(RELIST_MS, () => this.#relist());
  }

  #hear(status: AgentStatus): void {
    // One pass stands for all that a finer rhythm would have had since.
    this.#heardMs = this.#agent.world.timeline.nowMs;
    const { lastGoodPassAgeMs: ageMs } = status;
    const { lastPass } = this.#agent.state;
    const fresh = ageMs !== null && lastPass?.trouble === null && this.#agent.isOnTime(ageMs);
    this.#side.receive({
      type: "status",
      status: fresh ? { ...status, lastGoodPassAgeMs: 0 } : status,
    });
  }

  /** What was sent arrives, whatever has become of the process since. */
  readonly #call = <Reply>(act: () => Reply, hear: (reply: Reply | null) => void): void => {
    const { machine } = this.#agent.boot;
    this.#agent.world.api.call(
      {
        reaches: () => machine.agentReaches(),
        timeoutMs: apiTimeoutMs(this.#agent.state.device?.timing.timeoutMs ?? null),
      },
      act,
      (reply) => this.#agent.whenRunning(() => hear(reply)),
    );
  };

  /** @param held null: nothing was heard yet */
  #cacheOf(held: () => readonly object[] | null): KubeCache {
    const snapshot = (): readonly KubeObject[] => (held() ?? []) as readonly KubeObject[];
    return {
      get synced() {
        return held() !== null;
      },
      snapshot,
      get: (name) => snapshot().find(({ metadata }) => metadata.name === name),
    };
  }

  #reaches(): boolean {
    return this.#agent.alive && this.#agent.boot.machine.agentReaches();
  }
}
