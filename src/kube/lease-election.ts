/**
 * Leader election over a Lease, as Kubernetes' own components do it. It is for order, not for safety:
 * two leaders at once must do no harm, since a paused process goes on for a moment after its lease
 * has passed to another. Whatever may happen once only is guarded by resource versions.
 *
 * Pure. Instants are on this process's monotonic clock, in ms; the wall clock in a Lease is for
 * people, and whether a lease has run out is judged by how long it has not changed under our eyes.
 */
export type ElectionConfig = {
  readonly identity: string;
  /** A lease that has not changed for so long may be taken. */
  readonly leaseDurationMs: number;
  /** A leader that has not renewed for so long steps down; less than `leaseDurationMs`. */
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
};

/** The part of a Lease that elections look at. */
export type LeaseRecord = {
  /** Empty where it was released. */
  readonly holder: string;
  readonly resourceVersion: string;
  readonly transitions: number;
  /** How long its holder asks others to leave it alone. */
  readonly durationMs: number;
};

export type ElectionState = {
  readonly config: ElectionConfig;
  readonly role: "candidate" | "leader" | "stopped";
  /** The lease as last read, and when it was first seen to be like that. */
  readonly seen: { readonly lease: LeaseRecord; readonly sinceMs: number } | null;
  /** Start of the exchange under way; null = none. */
  readonly busySinceMs: number | null;
  readonly lastTriedMs: number;
  /** Start of the last write that made or kept us the holder. */
  readonly renewedMs: number;
  /** The exchanges fail, and that has been said. */
  readonly fails: boolean;
};

export type ElectionEvent =
  | { readonly type: "tick" }
  /** Null: there is no Lease yet. */
  | { readonly type: "lease-read"; readonly lease: LeaseRecord | null }
  | { readonly type: "lease-written"; readonly lease: LeaseRecord }
  /** Somebody else was faster. */
  | { readonly type: "lease-taken" }
  | { readonly type: "failed"; readonly error: string }
  | { readonly type: "stop" };

export type ElectionEffect =
  /** A consistent GET. Answer: `lease-read` or `failed`. */
  | { readonly type: "read" }
  /** Create, or replace at that version. Answer: `lease-written`, `lease-taken` or `failed`. */
  | {
      readonly type: "write";
      readonly resourceVersion: string | null;
      readonly holder: string;
      readonly transitions: number;
      /** The holder is another than before. */
      readonly acquires: boolean;
    }
  | { readonly type: "lead" }
  | { readonly type: "follow"; readonly reason: string }
  | { readonly type: "log"; readonly message: string };

export type ElectionStep = {
  readonly state: ElectionState;
  readonly effects: readonly ElectionEffect[];
};

/** @throws RangeError unless retry period < renew deadline < lease duration */
export function initialElectionState(config: ElectionConfig): ElectionState {
  const { retryPeriodMs, renewDeadlineMs, leaseDurationMs } = config;
  if (
    !(0 < retryPeriodMs && retryPeriodMs < renewDeadlineMs && renewDeadlineMs < leaseDurationMs)
  ) {
    throw new RangeError(
      `Cannot elect a leader unless retry period < renew deadline < lease duration: current values ` +
        `are ${retryPeriodMs}, ${renewDeadlineMs} and ${leaseDurationMs} ms`,
    );
  }
  return {
    config,
    role: "candidate",
    seen: null,
    busySinceMs: null,
    lastTriedMs: -Infinity,
    renewedMs: -Infinity,
    fails: false,
  };
}

export function stepElection(
  state: ElectionState,
  event: ElectionEvent,
  nowMs: number,
): ElectionStep {
  if (state.role === "stopped") {
    return { state, effects: [] };
  }
  switch (event.type) {
    case "tick":
      return tick(state, nowMs);
    case "lease-read":
      return leaseRead(state, event.lease, nowMs);
    case "lease-written":
      return recovered(leaseWritten(state, event.lease, nowMs));
    case "lease-taken":
      return recovered({ state: { ...state, busySinceMs: null, seen: null }, effects: [] });
    case "failed":
      return failed(state, event.error);
    case "stop":
      return stop(state);
  }
}

function tick(state: ElectionState, nowMs: number): ElectionStep {
  const { config } = state;
  if (state.role === "leader" && nowMs - state.renewedMs >= config.renewDeadlineMs) {
    const late = stepDown(state, `the lease was not renewed for ${config.renewDeadlineMs} ms`);
    const next = tick(late.state, nowMs);
    return { state: next.state, effects: [...late.effects, ...next.effects] };
  }
  const due = state.busySinceMs === null && nowMs - state.lastTriedMs >= config.retryPeriodMs;
  return due
    ? { state: { ...state, busySinceMs: nowMs, lastTriedMs: nowMs }, effects: [{ type: "read" }] }
    : { state, effects: [] };
}

function leaseRead(state: ElectionState, lease: LeaseRecord | null, nowMs: number): ElectionStep {
  const { identity } = state.config;
  if (lease === null) {
    const seen = { ...state, seen: null };
    return write(seen, { resourceVersion: null, transitions: 0, acquires: true }, nowMs);
  }
  const unchanged = state.seen?.lease.resourceVersion === lease.resourceVersion;
  const sinceMs = unchanged ? (state.seen?.sinceMs ?? nowMs) : nowMs;
  const isNewHolder = lease.holder !== "" && lease.holder !== state.seen?.lease.holder;
  const seen: ElectionState = { ...state, seen: { lease, sinceMs } };
  const { resourceVersion, transitions } = lease;
  if (lease.holder === identity) {
    return write(seen, { resourceVersion, transitions, acquires: false }, nowMs);
  }
  const patienceMs = Math.max(lease.durationMs, state.config.leaseDurationMs);
  const isFree = lease.holder === "" || nowMs - sinceMs >= patienceMs;
  if (state.role === "leader") {
    return stepDown({ ...seen, busySinceMs: null }, `${lease.holder || "nobody"} holds the lease`);
  }
  return isFree
    ? write(seen, { resourceVersion, transitions: transitions + 1, acquires: true }, nowMs)
    : recovered({
        state: { ...seen, busySinceMs: null },
        effects: isNewHolder
          ? [{ type: "log", message: `${identity} follows: ${lease.holder} leads` }]
          : [],
      });
}

/** Said once an outage: each try would say the same. */
function failed(state: ElectionState, error: string): ElectionStep {
  return {
    state: { ...state, busySinceMs: null, fails: true },
    effects: state.fails
      ? []
      : [{ type: "log", message: `the lease cannot be read or written: ${error}` }],
  };
}

/** An exchange has come to its end: reading alone does not show that a write would come through. */
function recovered({ state, effects }: ElectionStep): ElectionStep {
  return state.fails
    ? {
        state: { ...state, fails: false },
        effects: [...effects, { type: "log", message: "the lease can be read and written again" }],
      }
    : { state, effects };
}

function write(
  state: ElectionState,
  how: {
    readonly resourceVersion: string | null;
    readonly transitions: number;
    readonly acquires: boolean;
  },
  nowMs: number,
): ElectionStep {
  const { identity } = state.config;
  return {
    state: { ...state, busySinceMs: nowMs },
    effects: [{ type: "write", holder: identity, ...how }],
  };
}

function leaseWritten(state: ElectionState, lease: LeaseRecord, nowMs: number): ElectionStep {
  const renewedMs = state.busySinceMs ?? nowMs;
  const held: ElectionState = {
    ...state,
    busySinceMs: null,
    seen: { lease, sinceMs: nowMs },
    renewedMs,
  };
  // An answer that took longer than the deadline says nothing about now.
  const inTime = nowMs - renewedMs < state.config.renewDeadlineMs;
  if (state.role === "leader" || !inTime) {
    return { state: held, effects: [] };
  }
  return {
    state: { ...held, role: "leader" },
    effects: [
      { type: "lead" },
      { type: "log", message: `${state.config.identity} is the leader now` },
    ],
  };
}

function stepDown(state: ElectionState, reason: string): ElectionStep {
  return {
    state: { ...state, role: "candidate" },
    effects: [
      { type: "follow", reason },
      { type: "log", message: `${state.config.identity} is not the leader any more: ${reason}` },
    ],
  };
}

/** Gives the lease up, so that a successor need not wait for it to run out. */
function stop(state: ElectionState): ElectionStep {
  const { seen } = state;
  if (state.role !== "leader" || seen === null) {
    return { state: { ...state, role: "stopped" }, effects: [] };
  }
  const down = stepDown(state, "it stops");
  return {
    state: { ...down.state, role: "stopped" },
    effects: [
      ...down.effects,
      {
        type: "write",
        resourceVersion: seen.lease.resourceVersion,
        holder: "",
        transitions: seen.lease.transitions,
        acquires: false,
      },
    ],
  };
}
