import { isArmed } from "../src/agent/agent-state.ts";
import { decideClearing } from "../src/fencing/clearing.ts";
import type { NodeReading, RequestReading } from "../src/fencing/authority.ts";
import type { Evidence } from "../src/fencing/evidence.ts";
import type { FencerReport } from "../src/fencing/fencer-report.ts";
import {
  FENCE_REASON_HEARTBEAT_TIMEOUT,
  FENCE_REASON_MANUAL,
} from "../src/protocol/fence-reason.ts";
import { sameFenceSlot } from "../src/observation/sightings.ts";
import { deriveTiming } from "../src/timing/contract.ts";
import type { FenceSlot } from "../src/protocol/fence-record.ts";
import type { AgentProcess } from "./agent-process.ts";
import { copyOf, type Remediation, type SBDNodeObject } from "./api-store.ts";
import { fenceSlot, GARBAGE } from "./shared-device.ts";

type Said = { readonly leaving: boolean; readonly armed: boolean; readonly undecided: boolean };
type Answer<Reading> = Omit<Reading, "startedMs" | "endedMs">;

const RELIST_MS = 10_000;
const WATCH_DELAY_MS = 2_000;
const STATUS_EVERY_MS = 5_000;
const CLEAR_AGAIN_MS = 3_000;

/**
 * The API process of one agent: it tells the core who is to be fenced, answers the fencers' questions
 * by consistent reads, and writes status. Until the production one is run here, this one stands in.
 */
export class AgentApi {
  readonly #agent: AgentProcess;
  /** resourceVersion of the GET that granted a request, and what was patched since. */
  readonly #versions = new Map<string, number>();
  readonly #clearing = new Map<number, number>();
  #statusMs = -Infinity;
  #writing: string[] = [];
  /** This process has said that it leaves: no earlier write of it may unsay that. */
  #hasLeft = false;

  constructor(agent: AgentProcess) {
    this.#agent = agent;
  }

  begin(): void {
    const { world } = this.#agent;
    const { random } = this.#agent.boot.machine;
    world.api.watch({
      alive: () => this.#agent.alive,
      seen: (uid, seen) => {
        // Late, sometimes twice, and not always in order.
        const copies = random.chance(0.05) ? 2 : 1;
        for (let copy = 0; copy < copies; copy += 1) {
          world.timeline.after(random.next() ** 3 * WATCH_DELAY_MS, () => {
            if (this.#reaches()) {
              this.#agent.whenRunning(() => this.#hear(uid, seen));
            }
          });
        }
      },
    });
    this.#relist();
  }

  /** How this agent is, for the leader. */
  report(): void {
    const { world, state } = this.#agent;
    const { nowMs } = world.timeline;
    if (nowMs - this.#statusMs < STATUS_EVERY_MS || !this.#reaches()) {
      return;
    }
    this.#statusMs = nowMs;
    const good = this.#agent.contract() !== null && state.lastPass?.trouble === null;
    const blind = state.lastPass?.trouble?.vouchable === true;
    const said = this.#said();
    this.#call(
      () => {
        const own = this.#ownNode();
        if (own !== null) {
          own.goodMs = good ? nowMs : own.goodMs;
          own.blind = blind;
          this.#patchOwn(own, said);
        }
      },
      () => undefined,
    );
    for (const [nodeID, writer] of world.api.repairs) {
      if (writer === state.config.nodeName) {
        this.#clear(nodeID);
      }
    }
  }

  /** The own SBDNode is patched first, then the requests are listed. */
  askToVouch(
    asked: { readonly leaving: boolean; readonly armed: boolean },
    hear: (openRequests: number) => void,
  ): void {
    const { api } = this.#agent.world;
    const { nodeName } = this.#agent.state.config;
    const said = { ...this.#said(), ...asked };
    this.#call(
      () => {
        const own = this.#ownNode();
        if (own !== null) {
          this.#patchOwn(own, said);
          own.armed = asked.armed;
        }
        return own !== null;
      },
      (patched) => {
        if (patched) {
          this.#call(() => api.openRequests(nodeName), hear);
        }
      },
    );
  }

  #said(): Said {
    const { state } = this.#agent;
    return {
      leaving: state.life.kind === "leaving",
      armed: isArmed(state),
      undecided: state.watchdog.kind === "closed" || state.watchdog.kind === "opening",
    };
  }

  #ownNode(): SBDNodeObject | null {
    const { nodeName, nodeID } = this.#agent.state.config;
    const own = [...this.#agent.world.api.sbdNodes.values()].find(
      (known) => known.nodeName === nodeName && known.nodeID === nodeID,
    );
    return own ?? null;
  }

  /**
   * As src/agent/api/own-status.ts: until a process has armed or given its watchdog up, its boot is as
   * armed and as gone as its predecessors have said. An older write never lands over a newer one.
   */
  #patchOwn(own: SBDNodeObject, { leaving, armed, undecided }: Said): void {
    const { bootID } = this.#agent.boot;
    const keep = own.bootID === bootID && undecided;
    own.armed = keep && !armed ? own.armed : armed;
    own.leaving = keep && !leaving ? own.leaving : leaving || (own.leaving && this.#hasLeft);
    this.#hasLeft ||= leaving;
    own.bootID = bootID;
  }

  readRequest(uid: string, hear: (answer: Answer<RequestReading>) => void): void {
    const { api } = this.#agent.world;
    this.#call(
      () => {
        const found = api.remediations.get(uid);
        return found === undefined ? null : copyOf(found);
      },
      (found) => {
        const granted = found !== null && this.#namesUs(found);
        if (granted) {
          this.#versions.set(uid, found.resourceVersion);
        }
        hear({
          granted,
          detail: granted ? "" : "the request is gone, deleting, concluded or names another fencer",
          epoch: found?.fencing?.epoch ?? 0,
          confirmation: found?.confirmation ?? null,
        });
      },
    );
  }

  readNode(nodeName: string, hear: (answer: Answer<NodeReading>) => void): void {
    const { api } = this.#agent.world;
    this.#call((): Answer<NodeReading> => {
      const node = api.nodes.get(nodeName);
      return {
        nodeUID: node?.uid ?? null,
        bootID: node?.bootID ?? "",
        noExecute: node?.noExecute ?? false,
        sbdNodes: [...api.sbdNodes.values()]
          .filter((known) => known.nodeName === nodeName)
          .map(({ name, nodeID, leaving }) => ({ name, nodeID, leaving, unarmedBootID: "" })),
      };
    }, hear);
  }

  /** On the resourceVersion of the GET that granted it: a request changed since is read again first. */
  declare(uid: string, evidence: Evidence, recorded: () => void): void {
    const version = this.#versions.get(uid);
    const { world } = this.#agent;
    if (version === undefined) {
      return;
    }
    this.#call(
      () =>
        world.api.patch(uid, version, (request) => {
          if (request.fencing !== null) {
            request.fencing.evidence = evidence;
            request.fencing.state = "Proven";
          }
        }),
      (done) => {
        if (done) {
          this.#versions.set(uid, version + 1);
          recorded();
        }
      },
    );
  }

  reportFencing(nodeName: string, report: FencerReport): void {
    const { world, state } = this.#agent;
    const { nodeName: me } = state.config;
    const writing = report.state === "Writing";
    const key = `${report.uid} ${report.state} ${report.epoch} ${report.unfencable?.code ?? ""}`;
    const known = world.api.remediations.get(report.uid)?.fencing;
    const stale = known != null && world.timeline.nowMs - known.reportedMs >= STATUS_EVERY_MS;
    if (this.#writing.includes(key) && !stale) {
      return;
    }
    this.#writing = [...this.#writing.slice(-8), key];
    const version = this.#versions.get(report.uid);
    if (version === undefined || nodeName === me) {
      return;
    }
    this.#call(
      () =>
        world.api.patch(report.uid, version, (request) => {
          const { fencing } = request;
          if (fencing === null || fencing.agent !== me) {
            return;
          }
          fencing.reportedMs = world.timeline.nowMs;
          fencing.epoch = Math.max(fencing.epoch, report.epoch);
          fencing.state = fencing.evidence === null ? report.state : "Proven";
          fencing.unfencable = report.unfencable?.code ?? null;
          const others = fencing.writers.filter((writer) => writer !== me);
          fencing.writers = writing ? [...others, me] : others;
        }),
      (done) => {
        if (done) {
          this.#versions.set(report.uid, version + 1);
        } else {
          this.#writing = [];
        }
      },
    );
  }

  #hear(uid: string, seen: Remediation | null): void {
    const { world, fencers } = this.#agent;
    if (seen === null || !this.#namesUs(seen)) {
      fencers.withdraw(uid);
      return;
    }
    const slot = [...world.api.sbdNodes.values()]
      .filter(({ nodeName }) => nodeName === seen.nodeName)
      .toSorted((a, b) => a.nodeID - b.nodeID)[0];
    if (slot === undefined || this.#agent.state.life.kind !== "serving") {
      return;
    }
    fencers.accept({
      uid,
      nodeName: seen.nodeName,
      nodeID: slot.nodeID,
      reason: seen.byHealthCheck ? FENCE_REASON_HEARTBEAT_TIMEOUT : FENCE_REASON_MANUAL,
    });
  }

  /** Watches may lie; a relist on a timer does not. */
  #relist(): void {
    if (!this.#agent.alive) {
      return;
    }
    const { world, fencers } = this.#agent;
    if (world.api.remediations.size > 0 || fencers.fencers.size > 0) {
      this.#call(
        () => [...world.api.remediations.values()].map(copyOf),
        (listed) => {
          for (const seen of listed) {
            this.#hear(seen.uid, seen);
          }
          for (const fencer of [...fencers.fencers.values()]) {
            for (const { uid } of fencer.requests) {
              if (!listed.some((seen) => seen.uid === uid)) {
                fencers.withdraw(uid);
              }
            }
          }
        },
      );
    }
    world.timeline.after(RELIST_MS, () => this.#relist());
  }

  /** Clears or repairs a slot on a fresh list, by compare and replace. */
  #clear(nodeID: number): void {
    const { world, boot, state } = this.#agent;
    const { nowMs } = world.timeline;
    const { device } = state;
    if (device === null || nowMs - (this.#clearing.get(nodeID) ?? -Infinity) < CLEAR_AGAIN_MS) {
      return;
    }
    this.#clearing.set(nodeID, nowMs);
    const startedMs = boot.rawMs();
    const nodeName = `worker-${nodeID}`;
    this.#call(
      () =>
        world.api
          .requestsFor(nodeName)
          .filter(({ deleting, concludedMs }) => !deleting && concludedMs === null)
          .map(({ uid }) => uid),
      (openRequestUIDs) => {
        const slot = state.sightings.fences.get(nodeID)?.slot ?? { kind: "empty" as const };
        const latest = this.#agent.state.sightings.fences.get(nodeID)?.slot ?? slot;
        const decision = decideClearing(
          latest,
          { startedMs, openRequestUIDs },
          {
            name: state.config.nodeName,
            nodeID: state.config.nodeID,
            targetNodeID: nodeID,
            epochFloor: 0,
            nonce: `${state.config.startSeed}c${Math.round(nowMs)}`,
            wallNs: this.#agent.wallNs(),
            timing: deriveTiming(device.timing),
          },
          boot.rawMs(),
        );
        if (decision.kind === "nothing-to-clear") {
          this.#cleared(nodeID);
        } else if (decision.kind === "clear") {
          this.#replace(nodeID, decision.expected, fenceSlot(decision.record));
        }
      },
    );
  }

  #replace(nodeID: number, expected: FenceSlot, next: FenceSlot): void {
    const { worker, world } = this.#agent;
    let unchanged = false;
    let readBack: FenceSlot = { kind: "empty" };
    worker.submit({
      read: (device) => {
        const found = device.fence(nodeID);
        unchanged =
          sameFenceSlot(found, expected) ||
          (found.kind === "unreadable" && expected.kind === "unreadable");
      },
      write: {
        land: (device) => {
          if (unchanged) {
            device.putFence(nodeID, next);
          }
        },
        tear: (device) => {
          if (unchanged) {
            device.putFence(nodeID, GARBAGE);
          }
        },
        readBack: (device) => {
          readBack = device.fence(nodeID);
        },
      },
      done: (error) => {
        if (error === null && unchanged && sameFenceSlot(readBack, next)) {
          world.say?.(`${this.#agent.state.config.nodeName} clears fence slot ${nodeID}`);
          this.#agent.whenRunning(() => this.#cleared(nodeID));
        }
      },
    });
  }

  #cleared(nodeID: number): void {
    const { api } = this.#agent.world;
    const me = this.#agent.state.config.nodeName;
    this.#call(
      () => {
        if (api.repairs.get(nodeID) === me) {
          api.repairs.delete(nodeID);
          for (const request of api.requestsFor(`worker-${nodeID}`)) {
            request.slotClear ||= request.deleting;
          }
        }
      },
      () => undefined,
    );
  }

  #namesUs({ finalizer, deleting, concludedMs, fencing }: Remediation): boolean {
    const me = this.#agent.state.config.nodeName;
    return finalizer && !deleting && concludedMs === null && fencing?.agent === me;
  }

  /** What was sent arrives, whatever has become of the process since. */
  #call<Reply>(act: () => Reply, hear: (reply: Reply) => void): void {
    const { machine } = this.#agent.boot;
    this.#agent.world.api.call(
      () => machine.agentReaches(),
      act,
      (reply) => this.#agent.whenRunning(() => hear(reply)),
    );
  }

  #reaches(): boolean {
    return this.#agent.alive && this.#agent.boot.machine.agentReaches();
  }
}
