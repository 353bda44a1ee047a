import { EventEmitter } from "node:events";

/** Which requests a fault is for. Every given member must match; `{}` is everybody. */
export interface FaultMatch {
  /** A user's full name, such as `system:serviceaccount:sbd-system:agent`. */
  user?: string | RegExp;
  /** Part of the User-Agent header. */
  userAgent?: string | RegExp;
  /** The node that a service-account token is bound to. */
  node?: string;
  /** get, list, watch, create, update, patch, delete, deletecollection. */
  verbs?: readonly string[];
  /** Plurals, with `/status` or another subresource where that is meant. */
  resources?: readonly string[];
  /** Names of objects. */
  names?: readonly string[];
}

/**
 * What happens to matching requests.
 *
 * - `drop`          the connection is cut before the request is looked at; open watches are cut
 * - `dropResponse`  the request is carried out, then the connection is cut without an answer
 * - `delay`         the request waits `ms` before it is looked at
 * - `slow`          the answer, or a watch, trickles at `bytesPerSecond`
 * - `partition`     nothing gets through and nothing is cut: with `lost: "requests"` the request waits
 *                   unread, with `lost: "responses"` it is carried out and its answer waits. Watches fall
 *                   silent. On removal, what waits is delivered late (as TCP does) or, with
 *                   `afterwards: "cut"`, the connections are cut
 * - `error`         the answer is this HTTP code (429 comes with `Retry-After: 1`)
 * - `stale`         lists and gets with `resourceVersion=0` show the moment the fault was added, and
 *                   watches show nothing later, until it is removed. Consistent reads are not affected
 */
export type FaultEffect =
  | { kind: "drop" }
  | { kind: "dropResponse" }
  | { kind: "delay"; ms: number }
  | { kind: "slow"; bytesPerSecond: number }
  | { kind: "partition"; lost: "requests" | "responses"; afterwards: "deliver" | "cut" }
  | { kind: "error"; code: number }
  | { kind: "stale" };

/** What a fault can know of a request. */
export interface FaultSubject {
  user: string;
  node: string;
  userAgent: string;
  verb: string;
  resource: string;
  /** Empty for a collection. */
  name: string;
}

/** A fault in force. */
export interface Fault<Version = unknown> {
  readonly match: FaultMatch;
  readonly effect: FaultEffect;
  /** How many requests it has hit so far. */
  readonly hits: number;
  /** Where the store stood when a `stale` fault was added. */
  readonly frozen: Version;
  /** Resolves when it is removed. */
  readonly removed: Promise<void>;
  remove: () => void;
}

function fits(wanted: string | RegExp | undefined, value: string): boolean {
  if (wanted === undefined) return true;
  return typeof wanted === "string" ? value === wanted : wanted.test(value);
}

function matches(match: FaultMatch, subject: FaultSubject): boolean {
  const { userAgent } = match;
  const hasAgent =
    typeof userAgent === "string"
      ? subject.userAgent.includes(userAgent)
      : fits(userAgent, subject.userAgent);
  return (
    hasAgent &&
    fits(match.user, subject.user) &&
    fits(match.node, subject.node) &&
    (match.verbs === undefined || match.verbs.includes(subject.verb)) &&
    (match.resources === undefined || match.resources.includes(subject.resource)) &&
    (match.names === undefined || match.names.includes(subject.name))
  );
}

/** The faults of a server. They come into force and leave it at once, also for open watches. */
export class Faults<Version> {
  readonly #faults = new Set<Fault<Version>>();
  readonly #emitter = new EventEmitter();
  readonly #freeze: () => Version;

  /** @param freeze the state that a `stale` fault remembers. */
  constructor(freeze: () => Version) {
    this.#freeze = freeze;
    this.#emitter.setMaxListeners(0);
  }

  /**
   * Puts a fault in force.
   * @param times how many requests it hits before it removes itself; for ever when left out.
   */
  add(match: FaultMatch, effect: FaultEffect, times = Number.POSITIVE_INFINITY): Fault<Version> {
    if (!(times > 0)) {
      throw new RangeError(
        `Cannot add a fault that hits ${times} requests: times must be above zero`,
      );
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const state = { hits: 0 };
    const fault: Fault<Version> & { hit: () => void } = {
      match,
      effect,
      frozen: this.#freeze(),
      removed: promise,
      get hits() {
        return state.hits;
      },
      hit: () => {
        state.hits += 1;
        if (state.hits >= times) fault.remove();
      },
      remove: () => {
        if (!this.#faults.delete(fault)) return;
        resolve();
        this.#emitter.emit("change");
      },
    };
    this.#faults.add(fault);
    this.#emitter.emit("change");
    return fault;
  }

  /** Removes every fault. */
  clear(): void {
    for (const fault of this.#faults) fault.remove();
  }

  /** The first fault of some kinds in force for a request; counts as a hit. */
  take<Kind extends FaultEffect["kind"]>(
    subject: FaultSubject,
    ...kinds: Kind[]
  ): (Fault<Version> & { effect: Extract<FaultEffect, { kind: Kind }> }) | undefined {
    const fault = this.peek(subject, ...kinds);
    if (fault !== undefined) (fault as unknown as { hit: () => void }).hit();
    return fault;
  }

  /** The same without counting it. */
  peek<Kind extends FaultEffect["kind"]>(
    subject: FaultSubject,
    ...kinds: Kind[]
  ): (Fault<Version> & { effect: Extract<FaultEffect, { kind: Kind }> }) | undefined {
    for (const fault of this.#faults) {
      if (!kinds.includes(fault.effect.kind as Kind) || !matches(fault.match, subject)) continue;
      return fault as Fault<Version> & { effect: Extract<FaultEffect, { kind: Kind }> };
    }
    return undefined;
  }

  /** True when a match is for a request; what `closeWatches` goes by. */
  isFor(match: FaultMatch, subject: FaultSubject): boolean {
    return matches(match, subject);
  }

  /** Calls back whenever a fault comes or goes; returns how to stop that. */
  onChange(listener: () => void): () => void {
    this.#emitter.on("change", listener);
    return () => this.#emitter.off("change", listener);
  }
}
