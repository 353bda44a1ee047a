import type { Evidence } from "../src/fencing/evidence.ts";
import type { FencerReport } from "../src/fencing/fencer-report.ts";
import type { ManualConfirmation } from "../src/fencing/authority.ts";
import type { Random } from "./random.ts";
import type { Timeline } from "./timeline.ts";

export type NodeObject = {
  readonly name: string;
  readonly uid: string;
  bootID: string;
  ready: boolean;
  /** Since when Ready has been Unknown; null while it is True. */
  unknownSinceMs: number | null;
  noSchedule: boolean;
  noExecute: boolean;
  noExecuteSinceMs: number | null;
  /** When its kubelet was last heard. */
  heardMs: number;
};

export type SBDNodeObject = {
  readonly name: string;
  readonly nodeID: number;
  readonly nodeName: string;
  leaving: boolean;
  armed: boolean;
  /** The boot that its agent last spoke of. */
  bootID: string;
  /** When its agent last reported a good pass; true time, for the leader's choice only. */
  goodMs: number;
  /** Its agent cannot read its own fence slot. */
  blind: boolean;
};

export type FencingOfRequest = {
  agent: string;
  namedMs: number;
  epoch: number;
  reportedMs: number;
  state: FencerReport["state"];
  evidence: Evidence | null;
  unfencable: string | null;
  /** Fencers whose write is in flight, by name. */
  writers: readonly string[];
};

export type Remediation = {
  readonly uid: string;
  readonly nodeName: string;
  readonly createdMs: number;
  readonly byHealthCheck: boolean;
  resourceVersion: number;
  finalizer: boolean;
  /** When the finalizer became durable; true time. */
  finalizerMs: number;
  deleting: boolean;
  timedOut: boolean;
  confirmation: ManualConfirmation | null;
  /** Null before the leader has named a fencer. */
  fencing: FencingOfRequest | null;
  fencingSucceeded: "Unknown" | "True" | "False";
  concludedMs: number | null;
  /** The node's pods and attachments are gone. */
  released: boolean;
  /** A writer has found or made the fence slot clear since this was deleted. */
  slotClear: boolean;
};

type Watcher = {
  /** Asked now and then; one that is not is forgotten. */
  readonly alive: () => boolean;
  readonly seen: (uid: string, seen: Remediation | null) => void;
};

const LATENCY_MS = 15;

/**
 * The API server: one consistent store, and between it and each client a network that fails. A
 * request that was applied may lose its answer.
 */
export class ApiStore {
  readonly nodes = new Map<string, NodeObject>();
  readonly sbdNodes = new Map<string, SBDNodeObject>();
  readonly remediations = new Map<string, Remediation>();
  /** Fence slots that the leader has had named a writer for, to clear or repair. */
  readonly repairs = new Map<number, string>();
  slowMs = 0;
  /** Told when the fencer that a request names changes; null = none. */
  renamed: (uid: string, before: string | null, now: string | null) => void = () => undefined;
  readonly #naming = new Map<string, string | null>();
  /** Told of every new request. */
  created: (remediation: Remediation) => void = () => undefined;
  readonly #timeline: Timeline;
  readonly #random: Random;
  #watchers: Watcher[] = [];
  #serial = 0;

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline;
    this.#random = random;
  }

  /**
   * @param reaches asked when the request arrives and again when the answer does
   * @param act what the API server does, at one instant
   */
  call<Answer>(reaches: () => boolean, act: () => Answer, hear: (answer: Answer) => void): void {
    const thereMs = this.latencyMs();
    const backMs = this.latencyMs();
    this.#timeline.after(thereMs, () => {
      if (reaches()) {
        const answer = act();
        this.#timeline.after(backMs, () => {
          if (reaches()) {
            hear(answer);
          }
        });
      }
    });
  }

  latencyMs(): number {
    return (LATENCY_MS + this.slowMs) * (0.5 + this.#random.next());
  }

  uid(kind: string): string {
    this.#serial += 1;
    return `${kind}-${this.#serial}`;
  }

  watch(watcher: Watcher): void {
    this.#watchers = this.#watchers.filter(({ alive }) => alive());
    this.#watchers.push(watcher);
  }

  createNode(name: string): NodeObject {
    const node: NodeObject = {
      name,
      uid: this.uid("node"),
      bootID: "",
      ready: false,
      unknownSinceMs: null,
      noSchedule: false,
      noExecute: false,
      noExecuteSinceMs: null,
      heardMs: this.#timeline.nowMs,
    };
    this.nodes.set(name, node);
    return node;
  }

  createRemediation(nodeName: string, by: { readonly healthCheck: boolean }): Remediation {
    const remediation: Remediation = {
      uid: this.uid("request"),
      nodeName,
      createdMs: this.#timeline.nowMs,
      byHealthCheck: by.healthCheck,
      resourceVersion: 0,
      finalizer: false,
      finalizerMs: Infinity,
      deleting: false,
      timedOut: false,
      confirmation: null,
      fencing: null,
      fencingSucceeded: "Unknown",
      concludedMs: null,
      released: false,
      slotClear: false,
    };
    this.remediations.set(remediation.uid, remediation);
    this.created(remediation);
    this.touch(remediation);
    return remediation;
  }

  /**
   * A patch that carries a resourceVersion; false = 409, and nothing happened.
   */
  patch(uid: string, version: number, change: (remediation: Remediation) => void): boolean {
    const remediation = this.remediations.get(uid);
    if (remediation === undefined || remediation.resourceVersion !== version) {
      return false;
    }
    change(remediation);
    this.touch(remediation);
    return true;
  }

  /** Waits for the finalizer, as the API server does. */
  deleteRemediation(remediation: Remediation): void {
    remediation.deleting = true;
    this.touch(remediation);
  }

  forget(remediation: Remediation): void {
    this.remediations.delete(remediation.uid);
    this.#tell(remediation.uid, null);
  }

  touch(remediation: Remediation): void {
    remediation.resourceVersion += 1;
    if (remediation.deleting && !remediation.finalizer) {
      this.remediations.delete(remediation.uid);
      this.#tell(remediation.uid, null);
      return;
    }
    this.#tell(remediation.uid, copyOf(remediation));
  }

  requestsFor(nodeName: string): Remediation[] {
    return [...this.remediations.values()].filter((known) => known.nodeName === nodeName);
  }

  /** Unconcluded, with our finalizer: what keeps an agent from vouching for itself. */
  openRequests(nodeName: string): number {
    return this.requestsFor(nodeName).filter(
      ({ finalizer, concludedMs }) => finalizer && concludedMs === null,
    ).length;
  }

  #tell(uid: string, seen: Remediation | null): void {
    const names = seen !== null && !seen.deleting && seen.concludedMs === null;
    const now = names ? (seen.fencing?.agent ?? null) : null;
    this.renamed(uid, this.#naming.get(uid) ?? null, now);
    this.#naming.set(uid, now);
    for (const watcher of this.#watchers) {
      watcher.seen(uid, seen);
    }
  }
}

export function copyOf(remediation: Remediation): Remediation {
  const { fencing } = remediation;
  return { ...remediation, fencing: fencing === null ? null : { ...fencing } };
}
