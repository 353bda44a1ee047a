import { REMEDIATION_TAINT_KEY } from "../src/api/remediation-names.ts";
import type { Action } from "../src/operator/action.ts";
import type { OperatorPlace } from "../src/operator/config.ts";
import { hasTaint } from "../src/operator/kube-object.ts";
import { NO_MEMORY, type OperatorMemory } from "../src/operator/memory.ts";
import { reconcile } from "../src/operator/operator.ts";
import type { Snapshot } from "../src/operator/snapshot.ts";
import { NAMESPACE } from "./api-store.ts";
import { executeAction } from "./execute-action.ts";
import type { WriteOutcome } from "./object-store.ts";
import type { Random } from "./random.ts";
import { OWNER } from "./simulated-header.ts";
import { wallAt, type World } from "./world.ts";

const PLACE: OperatorPlace = {
  namespace: NAMESPACE,
  clusterUID: OWNER.clusterUID,
  agentImage: "sbd-agent:simulated",
};
/** While something goes on, as in production. */
const BUSY_EVERY_MS = 1_000;
/** While something goes on and nothing has changed: for what is decided by time alone. */
const WAITING_EVERY_MS = 4_000;
/** While nothing goes on. */
const IDLE_EVERY_MS = 10_000;
const AFTER_FAILURE_MS = 1_000;
const AFTER_CHANGE_MS_MAX = 300;
const LEASE_MS = 15_000;
const RENEW_WITHIN_MS = 10_000;
const STARTS_WITHIN_MS = 10_000;
const TIMEOUT_MS = 10_000;
const ACTIONS_A_ROUND_MAX = 200;
/** How often a watch lags behind for a round. */
const BEHIND = 0.15;
const KINDS = [
  "configs",
  "sbdNodes",
  "remediations",
  "nodes",
  "pods",
  "volumeAttachments",
  "daemonSets",
] as const;
type Kind = (typeof KINDS)[number];

/**
 * One replica of the operator: the production reconcilers on a cache of its own, each kind of it by
 * its own age, and the loop of src/operator/shell/operator-loop.ts in virtual time. It may be cut off,
 * look at an old cache, believe that it leads beside another, and end between any two writes.
 */
export class OperatorReplica {
  cutUntilMs = 0;
  readonly #world: World;
  readonly #index: number;
  readonly #random: Random;
  #memory: OperatorMemory = NO_MEMORY;
  #cache: Snapshot;
  #staleUntilMs = 0;
  #stale: ReadonlySet<Kind> = new Set();
  #leads = false;
  #renewedMs = -Infinity;
  #startsMs = 0;
  #dueMs = Infinity;
  /** Counts lives and rounds, so that what an earlier one waited for is not heard. */
  #life = 0;
  #running = false;

  constructor(world: World, index: number) {
    this.#world = world;
    this.#index = index;
    this.#random = world.random(`operator ${index}`);
    this.#cache = world.api.snapshot();
  }

  begin(): void {
    const { remediations, nodes, pods, sbdNodes } = this.#world.api;
    const wake = (): void => this.#wake(this.#random.next() * AFTER_CHANGE_MS_MAX);
    remediations.watchers.push(wake);
    nodes.watchers.push(wake);
    pods.watchers.push(wake);
    sbdNodes.watchers.push((before, now) => {
      const [was, is] = [before?.status, now?.status];
      if (
        was?.slotTaskResults !== is?.slotTaskResults ||
        was?.fenceSlotUnreadableSince !== is?.fenceSlotUnreadableSince
      ) {
        wake();
      }
    });
    this.#wake(this.#random.next() * BUSY_EVERY_MS);
  }

  /** Its caches, or some of them, show nothing new until then. */
  lookBack(untilMs: number): void {
    this.#staleUntilMs = untilMs;
    const all = this.#random.chance(0.5);
    this.#stale = new Set(KINDS.filter(() => all || this.#random.chance(0.5)));
  }

  /** Its process ends, and another starts that knows nothing. */
  restart(): void {
    const { timeline, api, say } = this.#world;
    say?.(`operator ${this.#index} restarts`);
    this.#life += 1;
    this.#running = false;
    this.#leads = false;
    this.#memory = NO_MEMORY;
    this.#cache = api.snapshot();
    this.#staleUntilMs = 0;
    this.#startsMs = timeline.nowMs + this.#random.next() * STARTS_WITHIN_MS;
    this.#wake(this.#startsMs - timeline.nowMs);
  }

  #wake(afterMs: number): void {
    const { timeline } = this.#world;
    const atMs = timeline.nowMs + afterMs;
    if (atMs < this.#dueMs) {
      this.#dueMs = atMs;
      timeline.at(atMs, () => {
        if (this.#dueMs === atMs) {
          this.#dueMs = Infinity;
          this.#turn();
        }
      });
    }
  }

  #turn(): void {
    const { timeline } = this.#world;
    if (this.#running) {
      return;
    }
    if (timeline.nowMs < this.#startsMs) {
      this.#wake(this.#startsMs - timeline.nowMs);
      return;
    }
    this.#elect();
    const changed = this.#refresh();
    if (!this.#leads) {
      this.#wake(IDLE_EVERY_MS / 2);
      return;
    }
    const { nowMs } = timeline;
    const moment = { nowMs, wall: wallAt(nowMs) };
    const { actions, memory } = reconcile(this.#cache, this.#memory, moment, PLACE);
    this.#memory = memory;
    const writes = actions
      .filter(({ type }) => type !== "apply-daemon-set" || this.#cache.daemonSets.length === 0)
      .slice(0, ACTIONS_A_ROUND_MAX);
    const restsMs = this.#isBusy() ? WAITING_EVERY_MS : IDLE_EVERY_MS;
    const everyMs = writes.length > 0 || changed ? BUSY_EVERY_MS : restsMs;
    this.#running = true;
    this.#carryOut(writes, new Set(), (failed) => {
      this.#running = false;
      this.#wake(failed ? AFTER_FAILURE_MS : everyMs);
    });
  }

  #isBusy(): boolean {
    const { remediations, nodes, sbdNodes } = this.#cache;
    return (
      remediations.length > 0 ||
      nodes.some((node) => hasTaint(node, REMEDIATION_TAINT_KEY)) ||
      sbdNodes.some(({ metadata }) => metadata.deletionTimestamp !== undefined)
    );
  }

  /** One write after another, one for each object: a second would be on a version that is no more. */
  #carryOut(
    actions: readonly Action[],
    touched: Set<string>,
    done: (failed: boolean) => void,
  ): void {
    const [action, ...rest] = actions;
    if (action === undefined || !this.#leads) {
      done(false);
      return;
    }
    const about = "target" in action ? action.target.uid : null;
    if (action.type === "event" || (about !== null && touched.has(about))) {
      this.#carryOut(rest, touched, done);
      return;
    }
    const { api, coverage } = this.#world;
    const life = this.#life;
    api.call(
      { reaches: () => this.#reaches(), timeoutMs: TIMEOUT_MS },
      (): WriteOutcome => executeAction(api, action),
      (outcome) => {
        if (life !== this.#life) {
          return;
        }
        coverage.count(`operator: ${action.type} ${outcome ?? "unanswered"}`);
        if (outcome === null) {
          done(true);
          return;
        }
        if (about !== null) {
          touched.add(about);
        }
        this.#carryOut(rest, touched, done);
      },
    );
  }

  /**
   * What its watches have told by now: each kind for itself, and none while it is cut off.
   *
   * @returns whether there is more than agents' reports
   */
  #refresh(): boolean {
    const { api, timeline } = this.#world;
    if (!this.#reaches()) {
      return false;
    }
    const now = api.snapshot();
    const isStale = timeline.nowMs < this.#staleUntilMs;
    const changed = KINDS.filter(
      (kind) => now[kind] !== this.#cache[kind] && !(isStale && this.#stale.has(kind)),
    );
    const seen = changed.filter(() => !this.#random.chance(BEHIND));
    if (seen.length > 0) {
      this.#cache = {
        ...this.#cache,
        ...Object.fromEntries(seen.map((kind) => [kind, now[kind]])),
      };
    }
    return changed.some((kind) => kind !== "sbdNodes");
  }

  /** A lease, as src/kube/lease-election.ts has it; with `twoLeaders` both take it for theirs. */
  #elect(): void {
    const { api, timeline, schedule } = this.#world;
    const { nowMs } = timeline;
    if (this.#reaches()) {
      const isFree = nowMs - api.lease.renewedMs > LEASE_MS;
      const isOurs = api.lease.holder === this.#index;
      if (isFree || isOurs) {
        api.lease = { holder: this.#index, renewedMs: nowMs };
      }
      this.#setLeads(isFree || isOurs || schedule.twoLeaders);
      this.#renewedMs = nowMs;
    } else if (nowMs - this.#renewedMs > RENEW_WITHIN_MS && !schedule.twoLeaders) {
      this.#setLeads(false);
    }
  }

  /** What a leader remembers begins anew with each term. */
  #setLeads(leads: boolean): void {
    if (leads && !this.#leads) {
      this.#memory = NO_MEMORY;
      this.#world.say?.(`operator ${this.#index} leads`);
    }
    this.#leads = leads;
  }

  #reaches(): boolean {
    return this.#world.timeline.nowMs >= this.cutUntilMs;
  }
}
