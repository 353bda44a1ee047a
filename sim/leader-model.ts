/**
 * A stand-in for the operator's leader, until the production reconcilers run here: it names agents,
 * adds finalizer and taint before that, names another where there is no progress, turns evidence into
 * FencingSucceeded, releases workloads and finalizers. What it proves about the reconcilers is
 * nothing; what it proves about agents and fencers is that two such leaders, working on old caches,
 * cannot make them claim a death that did not happen.
 */
import { deriveTiming } from "../src/timing/contract.ts";
import { copyOf, type NodeObject, type Remediation } from "./api-store.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** What the simulated cluster needs of whatever leads it. */
export type Leader = {
  begin(): void;
  cutUntilMs: number;
  staleUntilMs: number;
};

const EVERY_MS = 1_000;
const LEASE_MS = 15_000;
const TAINT_STANDS_MS = 10_000;

export class LeaderModel implements Leader {
  cutUntilMs = 0;
  staleUntilMs = 0;
  readonly #world: World;
  readonly #random: Random;
  readonly #first: Leader | null;
  #cache: Remediation[] = [];
  #repairAskedMs = new Map<number, number>();

  /** @param first the leader this one stands by for; null for that one itself */
  constructor(world: World, index: number, first: Leader | null) {
    this.#world = world;
    this.#first = first;
    this.#random = world.random(`leader ${index}`);
  }

  begin(): void {
    this.#world.timeline.after(EVERY_MS * (0.9 + 0.2 * this.#random.next()), () => {
      if (this.#leads() && this.#reaches()) {
        this.#reconcile();
      }
      this.begin();
    });
  }

  #leads(): boolean {
    const { schedule, timeline } = this.#world;
    return (
      this.#first === null ||
      schedule.twoLeaders ||
      timeline.nowMs + LEASE_MS < this.#first.cutUntilMs
    );
  }

  #reaches(): boolean {
    return this.#world.timeline.nowMs >= this.cutUntilMs;
  }

  #reconcile(): void {
    const { api, timeline } = this.#world;
    if (timeline.nowMs >= this.staleUntilMs) {
      this.#cache = [...api.remediations.values()].map(copyOf);
    }
    for (const request of this.#cache) {
      if (request.deleting) {
        this.#finish(request);
      } else {
        this.#advance(request);
      }
    }
    for (const known of api.sbdNodes.values()) {
      if (known.blind && !this.#cache.some(({ nodeName }) => nodeName === known.nodeName)) {
        this.#askToClear(known.nodeID, known.nodeName);
      }
    }
  }

  #advance(request: Remediation): void {
    const { api } = this.#world;
    const { fencing } = request;
    const node = api.nodes.get(request.nodeName);
    if (request.concludedMs !== null) {
      this.#release(request);
    } else if (fencing?.evidence != null) {
      this.#declare(request);
    } else if (node === undefined) {
      this.#conclude(request, "the Node is gone");
    } else if (request.timedOut) {
      this.#conclude(request, "NodeHealthCheck gave it up");
    } else if (fencing?.state === "Failed") {
      this.#conclude(request, `unfencable: ${fencing.unfencable ?? "cannot be written"}`);
    } else if (!request.finalizer) {
      this.#addFinalizer(request);
    } else if (!node.noSchedule) {
      this.#taint(request.nodeName, "NoSchedule");
    } else {
      this.#tendFencer(request, node);
    }
  }

  /** Only once there is a fencer that could work, or its node could not vouch for itself in vain. */
  #addFinalizer(request: Remediation): void {
    if (this.#eligible(request.nodeName).length > 0) {
      this.#patch(request, (now) => {
        now.finalizer = true;
        now.finalizerMs = this.#world.timeline.nowMs;
      });
    }
  }

  #tendFencer(request: Remediation, node: NodeObject): void {
    const { timeline, schedule } = this.#world;
    const { fencing } = request;
    const patienceMs = 15_000 + 3 * schedule.passMs;
    if (fencing?.state === "Durable" && !node.noExecute) {
      this.#taint(request.nodeName, "NoExecute");
    }
    const silentMs =
      fencing === null ? Infinity : timeline.nowMs - Math.max(fencing.namedMs, fencing.reportedMs);
    if (silentMs < patienceMs) {
      return;
    }
    const candidates = this.#eligible(request.nodeName).filter((name) => name !== fencing?.agent);
    if (candidates.length === 0) {
      return;
    }
    const agent = this.#random.pick(candidates);
    this.#patch(request, (now) => {
      this.#world.say?.(`the leader names ${agent} to fence ${now.nodeName} for ${now.uid}`);
      now.fencing = {
        agent,
        namedMs: timeline.nowMs,
        epoch: now.fencing?.epoch ?? 0,
        reportedMs: -Infinity,
        state: "Waiting",
        evidence: null,
        unfencable: null,
        writers: now.fencing?.writers ?? [],
      };
    });
  }

  #declare(request: Remediation): void {
    this.#patch(request, (now) => {
      const evidence = now.fencing?.evidence;
      if (evidence == null || now.concludedMs !== null) {
        return;
      }
      now.fencingSucceeded = "True";
      now.concludedMs = this.#world.timeline.nowMs;
      this.#world.say?.(`FencingSucceeded=True for ${now.nodeName} (${now.uid}): ${evidence.kind}`);
      this.#world.invariants.declared(now, evidence);
    });
  }

  #conclude(request: Remediation, why: string): void {
    this.#patch(request, (now) => {
      now.fencingSucceeded = "False";
      now.concludedMs = this.#world.timeline.nowMs;
      this.#world.say?.(`FencingSucceeded=False for ${now.nodeName} (${now.uid}): ${why}`);
    });
  }

  /** NoExecute has stood for ten seconds, and only then the Node is asked which boot it is. */
  #release(request: Remediation): void {
    const { api, timeline, workloads } = this.#world;
    const evidence = request.fencing?.evidence;
    if (request.released || request.fencingSucceeded !== "True" || evidence == null) {
      return;
    }
    this.#call(() => {
      const node = api.nodes.get(request.nodeName);
      const now = api.remediations.get(request.uid);
      if (node === undefined || now === undefined) {
        return;
      }
      if (node.bootID !== evidence.bootID) {
        now.released = true;
        return;
      }
      if (!node.noExecute) {
        setNoExecute(node, timeline.nowMs);
      } else if (timeline.nowMs - (node.noExecuteSinceMs ?? Infinity) >= TAINT_STANDS_MS) {
        workloads.moveByProof(request.nodeName);
        now.released = true;
      }
    });
  }

  /** Deleted: clear the slot unless nobody can be killed by it, then taints, then the finalizer. */
  #finish(request: Remediation): void {
    const { api, timeline, schedule } = this.#world;
    const { fencing, nodeName } = request;
    const { msgwaitMs } = deriveTiming(schedule);
    const node = api.nodes.get(nodeName);
    const others = this.#cache.some(
      (other) => other.uid !== request.uid && other.nodeName === nodeName && !other.deleting,
    );
    const harmless = fencing === null || fencing.evidence !== null || node === undefined || others;
    const writing =
      (fencing?.writers.length ?? 0) > 0 &&
      timeline.nowMs - (fencing?.reportedMs ?? 0) < 2 * msgwaitMs;
    if (!harmless && (writing || !request.slotClear)) {
      const slot = [...api.sbdNodes.values()].find((known) => known.nodeName === nodeName);
      if (slot !== undefined && !writing) {
        this.#askToClear(slot.nodeID, nodeName);
      }
      return;
    }
    this.#call(() => {
      const stillNamed = api.requestsFor(nodeName).some((other) => other.uid !== request.uid);
      const now = api.nodes.get(nodeName);
      if (now !== undefined && !stillNamed) {
        now.noSchedule = false;
        now.noExecute = false;
        now.noExecuteSinceMs = null;
      }
    });
    this.#patch(request, (now) => {
      now.finalizer = false;
      this.#world.say?.(`${now.uid} is gone`);
    });
  }

  #askToClear(nodeID: number, nodeName: string): void {
    const { api, timeline, schedule } = this.#world;
    const asked = this.#repairAskedMs.get(nodeID) ?? -Infinity;
    const patienceMs = 10_000 + 3 * schedule.passMs;
    if (api.repairs.has(nodeID) && timeline.nowMs - asked < patienceMs) {
      return;
    }
    const candidates = this.#eligible(nodeName);
    if (candidates.length > 0) {
      this.#repairAskedMs.set(nodeID, timeline.nowMs);
      api.repairs.set(nodeID, this.#random.pick(candidates));
    }
  }

  #taint(nodeName: string, effect: "NoSchedule" | "NoExecute"): void {
    const { api, timeline } = this.#world;
    this.#call(() => {
      const node = api.nodes.get(nodeName);
      if (node !== undefined && effect === "NoSchedule") {
        node.noSchedule = true;
      } else if (node !== undefined && !node.noExecute) {
        this.#world.say?.(`${nodeName} is tainted NoExecute`);
        setNoExecute(node, timeline.nowMs);
      }
    });
  }

  /** Agents that have just had a good pass, other than the target's. */
  #eligible(nodeName: string): string[] {
    const { api, timeline, schedule } = this.#world;
    const freshMs = timeline.nowMs - 15_000 - 3 * schedule.passMs;
    return [...api.sbdNodes.values()]
      .filter((known) => known.nodeName !== nodeName && known.goodMs >= freshMs && !known.leaving)
      .map((known) => known.nodeName);
  }

  #patch(request: Remediation, change: (now: Remediation) => void): void {
    this.#call(() => this.#world.api.patch(request.uid, request.resourceVersion, change));
  }

  #call(act: () => unknown): void {
    this.#world.api.call(
      () => this.#reaches(),
      act,
      () => undefined,
    );
  }
}

function setNoExecute(node: NodeObject, nowMs: number): void {
  node.noExecute = true;
  node.noExecuteSinceMs = nowMs;
}
