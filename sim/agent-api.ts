import { apiTimeoutMs } from "../src/kube/api-timeout.ts";
import { findSlot, reportedNode } from "../src/agent/api/own-slot.ts";
import { asFarAsKnown, ownStatus, type OwnStatus } from "../src/agent/api/own-status.ts";
import { datePass, type PassInstant } from "../src/agent/api/pass-instant.ts";
import { isOpenAgainst } from "../src/api/request-state.ts";
import { createFencerSide, type FencerSide } from "../src/fencing/cluster/fencer-side.ts";
import { packRecord } from "../src/fencing/shell/packed-record.ts";
import { resultsWith } from "../src/fencing/cluster/slot-task-results.ts";
import {
  createSlotTaskSide,
  type SlotTaskDone,
  type SlotTaskSide,
} from "../src/fencing/cluster/slot-task-side.ts";
import type { AgentStatus, FromCore, ToCore } from "../src/agent/driver/api-message.ts";
import type { SBDNode } from "../src/api/sbd-node.ts";
import type { SBDRemediation } from "../src/api/sbd-remediation.ts";
import type { KubeObject } from "../src/kube/kube-object.ts";
import type { KubeCache } from "../src/kube/kube-port.ts";
import type { AgentProcess } from "./agent-process.ts";
import { CONFIG_NAME } from "./api-store.ts";
import { OwnNodeWriter } from "./own-node-writer.ts";
import { kubePort } from "./kube-port.ts";
import { wallAt, WALL_START_MS } from "./world.ts";

const REVIEW_EVERY_MS = 5_000;
const RELIST_MS = 10_000;
const WATCH_DELAY_MS = 2_000;
/** Twice as long as in production, and less than a leader's patience. */
const STATUS_EVERY_MS = 10_000;
/** A watch that has not told the last change yet. */
const BEHIND = 0.1;

/**
 * The API process of one agent: src/agent/api/cluster-side.ts in virtual time. What it decides is
 * decided by the same functions; this is when it asks, and what the network makes of it.
 */
export class AgentApi {
  readonly #agent: AgentProcess;
  readonly #writer: OwnNodeWriter;
  readonly #fencerSide: FencerSide;
  readonly #taskSide: SlotTaskSide;
  #sbdNodes: readonly SBDNode[];
  #requests: readonly SBDRemediation[] = [];
  #synced = false;
  /** When the last event of the watch is told. */
  #toldMs = -Infinity;
  #passed: PassInstant | null = null;
  #writing = false;
  #statusMs = -Infinity;
  #standing = "";
  #vouching = false;
  #nextVouch: (() => void) | null = null;
  /** This process has said that it leaves: whatever it said before is out of date. */
  #hasLeft = false;

  constructor(agent: AgentProcess) {
    this.#agent = agent;
    const { api, timeline } = agent.world;
    this.#sbdNodes = api.sbdNodes.list();
    this.#writer = new OwnNodeWriter(api, this.#call, () => this.#ownNode());
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
      timeoutMs: () => this.#timeoutMs(),
      troubles: {
        note: (what: string, trouble: string | null) => {
          if (trouble !== null && what.startsWith("list of ")) {
            agent.world.say?.(`${agent.state.config.nodeName} gets no ${what}`);
          }
        },
      },
    };
    this.#fencerSide = createFencerSide({
      ...shared,
      requests: this.#cacheOf(() => (this.#synced ? this.#requests : null)),
      configs: this.#cacheOf(() => api.configs.list()),
      name: agent.state.config.nodeName,
      configName: CONFIG_NAME,
      pack: packRecord,
      send: (message) => this.#send(message),
      log: () => undefined,
    });
    this.#taskSide = createSlotTaskSide({
      ...shared,
      nodeName: agent.state.config.nodeName,
      sbdNodes: () => this.#sbdNodes,
      ownName: () => this.#ownNode()?.metadata.name ?? null,
      send: (message) => this.#send(message),
      record: (done) => this.#recordTask(done),
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

  /** Its life has changed: told before it is done, for a latched node is gone in a moment. */
  tellStatus(): void {
    this.#reportStatus();
  }

  /** The own SBDNode is patched first, then the requests are listed. One patch at a time. */
  #answerVouch(asked: FromCore & { readonly type: "ask-vouch" }): void {
    if (this.#vouching) {
      this.#nextVouch = () => this.#answerVouch(asked);
      return;
    }
    this.#vouching = true;
    const { world, state } = this.#agent;
    const { nodeName, bootID } = state.config;
    const end = (): void => {
      this.#vouching = false;
      const next = this.#nextVouch;
      this.#nextVouch = null;
      next?.();
    };
    this.#hasLeft ||= asked.leaving;
    this.#writer.write(
      (own) => ({
        ...this.#statusOn(own),
        armed: asked.armed,
        lastVouchTime: wallAt(world.timeline.nowMs),
      }),
      (own) => {
        end();
        if (own === null) {
          return;
        }
        this.#call(
          () => world.api.remediations.list() as unknown as readonly KubeObject[],
          (listed) => {
            if (listed !== null) {
              const open = listed.filter((request) => isOpenAgainst(request, nodeName, bootID));
              this.#send({ type: "vouch-read", id: asked.id, openRequests: open.length });
            }
          },
        );
      },
    );
  }

  receive(message: Exclude<FromCore, { readonly type: "status" }>): void {
    switch (message.type) {
      case "ask-vouch":
        this.#answerVouch(message);
        return;
      case "report":
      case "ask-request":
      case "ask-node":
      case "declare":
        this.#fencerSide.receive(message);
        return;
      case "ask-open-requests":
      case "slot-task-done":
        this.#taskSide.receive(message);
        return;
    }
  }

  #send(message: ToCore): void {
    this.#agent.driver.receive(message);
  }

  // What the cluster wants of the core process

  #learnRequests(listed: readonly SBDRemediation[]): void {
    this.#requests = listed;
    this.#synced = true;
    this.#fencerSide.review();
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
      this.#reviewSlot();
      if (!this.#agent.alive) {
        return;
      }
      this.#taskSide.review();
      this.#agent.reportFencing();
      this.#reportStatus();
    });
  }

  #reviewSlot(): void {
    const found = findSlot(this.#sbdNodes, this.#agent.state.config.nodeName, CONFIG_NAME);
    if (found.kind === "found") {
      this.#send({ type: "slot", nodeID: found.nodeID, sbdNode: found.sbdNode });
    }
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

  // What the core process reports

  #ownNode(): SBDNode | null {
    return reportedNode(this.#sbdNodes, this.#agent.state.config, CONFIG_NAME);
  }

  #agentStatus(): AgentStatus {
    const { driver, state } = this.#agent;
    const status = driver.status();
    // One pass stands for all that a finer rhythm would have had since.
    const { lastGoodPassAgeMs: ageMs } = status;
    const fresh = ageMs !== null && state.lastPass?.trouble === null && this.#agent.isOnTime(ageMs);
    return fresh ? { ...status, lastGoodPassAgeMs: 0 } : status;
  }

  #status(known: AgentStatus): OwnStatus {
    const { timeline } = this.#agent.world;
    const now = { ms: timeline.nowMs, wallMs: WALL_START_MS + Math.round(timeline.nowMs) };
    this.#passed = datePass(this.#passed, known.lastGoodPassAgeMs, now);
    const own = ownStatus(known, this.#sbdNodes, now.wallMs, this.#passed.instant);
    return this.#hasLeft ? { ...own, leaving: true } : own;
  }

  #statusOn(own: KubeObject): Readonly<Record<string, unknown>> {
    const known = this.#agentStatus();
    return asFarAsKnown(this.#status(known), known, own);
  }

  #reportStatus(): void {
    const { world, state } = this.#agent;
    const { nowMs } = world.timeline;
    const standing =
      `${state.life.kind} ${state.watchdog.kind} ${state.watchdog.kind === "open" && state.watchdog.armed} ` +
      `${state.lastPass?.trouble === null} ${state.fenceUnreadable?.lasting === true}`;
    const isDue = nowMs - this.#statusMs >= STATUS_EVERY_MS - 1 || standing !== this.#standing;
    if (this.#writing || this.#vouching || !isDue || this.#ownNode() === null) {
      return;
    }
    this.#writing = true;
    this.#statusMs = nowMs;
    this.#standing = standing;
    this.#writer.write(
      (own) => this.#statusOn(own),
      (written) => {
        this.#writing = false;
        if (written === null) {
          this.#standing = "";
        }
      },
    );
  }

  #recordTask(done: SlotTaskDone): void {
    const { timeline } = this.#agent.world;
    this.#writer.write(
      (own) => ({
        slotTaskResults: resultsWith(own, done, WALL_START_MS + Math.round(timeline.nowMs)),
      }),
      () => undefined,
    );
  }

  /** What was sent arrives, whatever has become of the process since. */
  readonly #call = <Reply>(act: () => Reply, hear: (reply: Reply | null) => void): void => {
    const { machine } = this.#agent.boot;
    this.#agent.world.api.call(
      { reaches: () => machine.agentReaches(), timeoutMs: this.#timeoutMs() },
      act,
      (reply) => this.#agent.whenRunning(() => hear(reply)),
    );
  };

  #timeoutMs(): number {
    return apiTimeoutMs(this.#agent.state.device?.timing.timeoutMs ?? null);
  }

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
