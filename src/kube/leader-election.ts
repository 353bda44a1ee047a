import type { KubeClient } from "./kube-client.ts";
import { fieldAt, textAt, type KubeObject } from "./kube-object.ts";
import {
  initialElectionState,
  stepElection,
  type ElectionConfig,
  type ElectionEffect,
  type ElectionEvent,
  type LeaseRecord,
} from "./lease-election.ts";
import { getObject } from "./read-objects.ts";
import { LEASES } from "./resource-type.ts";
import { createObject, replaceObject, type WriteOutcome } from "./write-objects.ts";

export type LeaderElectionOptions = Partial<Omit<ElectionConfig, "identity">> & {
  /** The Lease. */
  readonly name: string;
  readonly namespace: string;
  /** This process, among all candidates; a pod's name. */
  readonly identity: string;
  readonly onLead: () => void;
  /** Stop what only a leader does; it may be that another leads already. */
  readonly onFollow: (reason: string) => void;
  readonly log: (message: string) => void;
};

export type LeaderElection = {
  readonly isLeader: boolean;
  /** Releases the lease where it is held, and waits until that is written or has failed. */
  stop(): Promise<void>;
};

/** As client-go has them. */
const LEASE_DURATION_MS = 15_000;
const RENEW_DEADLINE_MS = 10_000;
const RETRY_PERIOD_MS = 2_000;
const TICKS_A_PERIOD = 4;

/** Takes part in the election until stopped. */
export function electLeader(client: KubeClient, options: LeaderElectionOptions): LeaderElection {
  const { name, namespace, onLead, onFollow, log } = options;
  const config: ElectionConfig = {
    identity: options.identity,
    leaseDurationMs: options.leaseDurationMs ?? LEASE_DURATION_MS,
    renewDeadlineMs: options.renewDeadlineMs ?? RENEW_DEADLINE_MS,
    retryPeriodMs: options.retryPeriodMs ?? RETRY_PERIOD_MS,
  };
  // A candidate may fail as often as a leader may, and neither waits longer than a leader can.
  const limits = { timeoutMs: Math.ceil(config.renewDeadlineMs / 2), isUrgent: true };
  const closing = new AbortController();
  let state = initialElectionState(config);
  let lastLease: KubeObject | null = null;

  async function dispatch(event: ElectionEvent): Promise<void> {
    const step = stepElection(state, event, performance.now());
    ({ state } = step);
    for (const effect of step.effects) {
      await perform(effect);
    }
  }

  async function perform(effect: ElectionEffect): Promise<void> {
    switch (effect.type) {
      case "read":
        return await dispatch(await read());
      case "write":
        return await dispatch(await write(effect));
      case "lead":
        return onLead();
      case "follow":
        return onFollow(effect.reason);
      case "log":
        return log(effect.message);
    }
  }

  async function read(): Promise<ElectionEvent> {
    try {
      const { signal } = closing;
      lastLease = await getObject(client, LEASES, { name, namespace }, { ...limits, signal });
      return { type: "lease-read", lease: lastLease === null ? null : recordIn(lastLease) };
    } catch (error) {
      return { type: "failed", error: messageOf(error) };
    }
  }

  async function write(
    effect: ElectionEffect & { readonly type: "write" },
  ): Promise<ElectionEvent> {
    try {
      const outcome = await put(effect);
      if (outcome.kind === "done") {
        lastLease = outcome.object;
        return { type: "lease-written", lease: recordIn(outcome.object) };
      }
      return outcome.kind === "refused"
        ? { type: "failed", error: outcome.message }
        : { type: "lease-taken" };
    } catch (error) {
      return { type: "failed", error: messageOf(error) };
    }
  }

  async function put(effect: ElectionEffect & { readonly type: "write" }): Promise<WriteOutcome> {
    const { resourceVersion, holder, transitions, acquires } = effect;
    const now = `${new Date().toISOString().slice(0, -1)}000Z`;
    const spec = {
      ...(lastLease?.["spec"] as object | undefined),
      holderIdentity: holder,
      leaseDurationSeconds: holder === "" ? 1 : Math.ceil(config.leaseDurationMs / 1_000),
      renewTime: now,
      leaseTransitions: transitions,
      ...(acquires ? { acquireTime: now } : {}),
    };
    if (resourceVersion === null || lastLease === null) {
      return await createObject(client, LEASES, { metadata: { name, namespace }, spec }, limits);
    }
    const metadata = { ...lastLease.metadata, resourceVersion };
    return await replaceObject(client, LEASES, { ...lastLease, metadata, spec }, limits);
  }

  const timer = setInterval(
    () => void dispatch({ type: "tick" }),
    config.retryPeriodMs / TICKS_A_PERIOD,
  );
  void dispatch({ type: "tick" });
  return {
    get isLeader() {
      return state.role === "leader";
    },
    async stop() {
      clearInterval(timer);
      closing.abort();
      await dispatch({ type: "stop" });
    },
  };
}

function recordIn(lease: KubeObject): LeaseRecord {
  const seconds = fieldAt(lease, "spec", "leaseDurationSeconds");
  const transitions = fieldAt(lease, "spec", "leaseTransitions");
  return {
    holder: textAt(lease, "spec", "holderIdentity"),
    resourceVersion: lease.metadata.resourceVersion ?? "",
    transitions: typeof transitions === "number" ? transitions : 0,
    durationMs: typeof seconds === "number" ? seconds * 1_000 : 0,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
