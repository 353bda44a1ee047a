import { REMEDIATION_TAINT_KEY } from "../src/api/remediation-names.ts";
import type { OperatorPlace } from "../src/operator/config.ts";
import {
  LOOK_EVERY_MS,
  OperatorDriver,
  type WriteAnswer,
} from "../src/operator/driver/operator-driver.ts";
import { hasTaint } from "../src/operator/kube-object.ts";
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
  kubernetesVersion: "v1.30.0",
  agentImage: "sbd-agent:simulated",
};
/** While something goes on and nothing has changed: for what is decided by time alone. */
const WAITING_EVERY_MS = 4_000;
/** While nothing goes on. */
const IDLE_EVERY_MS = 10_000;
const AFTER_CHANGE_MS_MAX = 300;
const LEASE_MS = 15_000;
const RENEW_WITHIN_MS = 10_000;
const STARTS_WITHIN_MS = 10_000;
const TIMEOUT_MS = 10_000;
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
 * One replica of the operator: the production driver on a cache of its own, each kind of it by its own
 * age, in virtual time. It may be cut off, look at an old cache, believe that it leads beside another,
 * and end between any two writes.
 */
export class OperatorReplica {
  cutUntilMs = 0;
  readonly #world: World;
  readonly #index: number;
  readonly #random: Random;
  #driver: OperatorDriver;
  #cache: Snapshot;
  #staleUntilMs = 0;
  #stale: ReadonlySet<Kind> = new Set();
  #renewedMs = -Infinity;
  #startsMs = 0;
  #dueMs = Infinity;

  constructor(world: World, index: number) {
    this.#world = world;
    this.#index = index;
    this.#random = world.random(`operator ${index}`);
    this.#cache = world.api.snapshot();
    this.#driver = this.#newDriver();
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
    this.#wake(this.#random.next() * LOOK_EVERY_MS);
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
    this.#driver = this.#newDriver();
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
    if (timeline.nowMs < this.#startsMs) {
      this.#wake(this.#startsMs - timeline.nowMs);
      return;
    }
    this.#elect();
    const changed = this.#refresh();
    if (!this.#driver.leads) {
      this.#wake(IDLE_EVERY_MS / 2);
      return;
    }
    const { nowMs } = timeline;
    this.#driver.look(this.#cache, { nowMs, wall: wallAt(nowMs) }, PLACE);
    const writes = this.#writeAll();
    const restsMs = this.#isBusy() ? WAITING_EVERY_MS : IDLE_EVERY_MS;
    this.#wake(writes > 0 || changed ? LOOK_EVERY_MS : restsMs);
    this.#wakeForRetry();
  }

  /** With nothing to be tried again it rests longer than in production, or runs would take too long. */
  #wakeForRetry(): void {
    const waitMs = this.#driver.waitMs(this.#world.timeline.nowMs);
    if (waitMs < LOOK_EVERY_MS) {
      this.#wake(waitMs);
    }
  }

  #isBusy(): boolean {
    const { remediations, nodes, sbdNodes } = this.#cache;
    return (
      remediations.length > 0 ||
      nodes.some((node) => hasTaint(node, REMEDIATION_TAINT_KEY)) ||
      sbdNodes.some(({ metadata }) => metadata.deletionTimestamp !== undefined)
    );
  }

  /** @returns how many writes were begun */
  #writeAll(): number {
    const { api, coverage, timeline } = this.#world;
    const driver = this.#driver;
    for (let begun = 0; ; begun += 1) {
      const write = driver.next(timeline.nowMs);
      if (write === null) {
        return begun;
      }
      api.call(
        { reaches: () => this.#reaches(), timeoutMs: TIMEOUT_MS },
        (): WriteOutcome => executeAction(api, write.action),
        (outcome) => {
          if (driver === this.#driver) {
            coverage.count(`operator: ${write.action.type} ${outcome ?? "unanswered"}`);
            driver.answered(write, answerOf(outcome), timeline.nowMs);
            this.#writeAll();
            this.#wakeForRetry();
          }
        },
      );
    }
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

  #setLeads(leads: boolean): void {
    if (leads === this.#driver.leads) {
      return;
    }
    if (leads) {
      this.#driver.lead();
      this.#world.say?.(`operator ${this.#index} leads`);
    } else {
      this.#driver.follow();
    }
  }

  #newDriver(): OperatorDriver {
    return new OperatorDriver(() => this.#random.next());
  }

  #reaches(): boolean {
    return this.#world.timeline.nowMs >= this.cutUntilMs;
  }
}

function answerOf(outcome: WriteOutcome | null): WriteAnswer {
  const failed = (code: "CONFLICT" | "NOT_FOUND" | "TIMEOUT"): WriteAnswer => ({
    kind: "failed",
    code,
    message: outcome ?? "no answer",
    retryAfterMs: null,
  });
  switch (outcome) {
    case "done":
      return { kind: "done" };
    case "conflict":
    case "exists":
      return failed("CONFLICT");
    case "gone":
      return failed("NOT_FOUND");
    case null:
      return failed("TIMEOUT");
  }
}
