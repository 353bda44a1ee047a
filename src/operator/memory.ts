import { fencerNameOf } from "../api/fencer-name.ts";
import { missedSlots, REPORT_EVERY_MS, reportRhythm } from "../api/report-rhythm.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { bootIDOf } from "./kube-object.ts";
import { isInHand, nodeNamed, nodeNameOf, slotsOfNode, type Snapshot } from "./snapshot.ts";

/**
 * What a leader remembers between reconciles, on its own unslewed clock. Losing it with the process
 * costs time, never safety: every wait starts anew.
 */
export type OperatorMemory = {
  /** When each agent was last seen to report something new, by SBDNode name. */
  readonly reports: ReadonlyMap<string, Report>;
  /** When each agent was last seen to have the API vouch for it, by SBDNode name. */
  readonly vouches: SignsOfLife;
  /** When each fencer that runs without an agent was last seen to renew its Lease, by its name. */
  readonly fencers: SignsOfLife;
  /** By UID of the SBDRemediation. */
  readonly requests: ReadonlyMap<string, RequestMemory>;
  /** Writes that the API server does not allow or takes for invalid, by `writeKeyOf`. */
  readonly refusals: ReadonlyMap<string, Refusal>;
};

/** A write that would be refused again: it is made again seldom, and said meanwhile. */
export type Refusal = { readonly message: string };

/** What each showed last, by name, and when that was new. */
type SignsOfLife = ReadonlyMap<string, SignOfLife>;
type SignOfLife = { readonly seen: string; readonly atMs: number };

/** Since when the agent has had to report often; null: it need not. */
type Report = SignOfLife & { readonly oftenMs: number | null };

export type RequestMemory = {
  readonly firstSeenMs: number;
  /** Since when it is being deleted; null = it is not. */
  readonly deletingMs: number | null;
  /** The boot that its Node told when this leader first saw it; empty where it told none. */
  readonly firstToldBootID: string;
  /** The boot that its Node tells, and since when. */
  readonly told: { readonly bootID: string; readonly sinceMs: number };
  /** Whom this leader named last: a cache may show it late. */
  readonly named: NamedFencer;
  /** Whom this leader has named, the last last: of two namings the first may be what came through. */
  readonly namings: readonly NamedFencer[];
  /** Whom the cache showed last. */
  readonly fencer: NamedFencer;
  /** The last thing its fencer reported, and when that was new. */
  readonly progress: string;
  readonly progressMs: number;
  /** The message that its fencer reported durable last, and since when. */
  readonly durable: { readonly epoch: number; readonly sinceMs: number } | null;
  /** Agents that were named and failed or fell silent. */
  readonly spent: readonly string[];
  /**
   * Every fencer that may have been named for it, or for another request for the same node, by name and
   * boots. Where somebody else has named one, whom he named before is not known: then everybody may.
   */
  readonly fencers: ReadonlyMap<string, FencerInBoot>;
  /** When a fencer was last replaced or withdrawn: a write of it may be in flight for M. */
  readonly replacedMs: number | null;
};

/** A fencer and `agentNamedTime`; both empty where nobody was named yet. */
export type NamedFencer = { readonly agent: string; readonly namedTime: string };

/** A fencer, and what its SBDNode and its Node told of its boot when it was seen; empty = nothing. */
export type FencerInBoot = {
  readonly name: string;
  readonly agentBootID: string;
  readonly nodeBootID: string;
};

/** A cache shows a naming long before so many have come after it. */
const NAMINGS_KEPT = 16;

const NOBODY: NamedFencer = { agent: "", namedTime: "" };

export const NO_MEMORY: OperatorMemory = {
  reports: new Map(),
  vouches: new Map(),
  fencers: new Map(),
  requests: new Map(),
  refusals: new Map(),
};

/** An agent that is to report often and has not for longer is not named, and is replaced. */
export const AGENT_SILENT_AFTER_MS = 15_000;
/** One that need not is missed as long after its next report was due. */
const QUIET_AGENT_SILENT_AFTER_MS =
  AGENT_SILENT_AFTER_MS + REPORT_EVERY_MS.seldom - REPORT_EVERY_MS.often;

/** Notes what is new in the agents' and fencers' reports, and forgets what is gone. */
export function noteReports(
  memory: OperatorMemory,
  snapshot: Snapshot,
  nowMs: number,
): OperatorMemory {
  const reports = noteRhythms(
    memory.reports,
    noteSigns(memory.reports, snapshot.sbdNodes, nowMs, ({ status }) => {
      return `${status.startID ?? ""} ${status.lastPassTime ?? ""}`;
    }),
    snapshot,
    nowMs,
  );
  const vouches = noteSigns(memory.vouches, snapshot.sbdNodes, nowMs, ({ status }) => {
    return status.lastVouchTime ?? "";
  });
  const fencers = noteSigns(memory.fencers, snapshot.fencerLeases, nowMs, ({ spec }) => {
    const { holderIdentity = "", renewTime = "" } = spec ?? {};
    // A Lease that nobody holds was released: its fencer can fence no more.
    return holderIdentity === "" ? "" : `${holderIdentity} ${renewTime}`;
  });
  const requests = new Map<string, RequestMemory>();
  for (const remediation of snapshot.remediations) {
    const { metadata, status } = remediation;
    const uid = metadata.uid ?? "";
    const known = memory.requests.get(uid);
    const progress = JSON.stringify(status.fencing ?? null);
    const { agent = "", agentNamedTime: namedTime = "" } = status.fencing ?? {};
    const fencer = { agent, namedTime };
    const told = toldBoot(known, remediation, snapshot, nowMs);
    requests.set(uid, {
      firstSeenMs: known?.firstSeenMs ?? nowMs,
      deletingMs: metadata.deletionTimestamp === undefined ? null : (known?.deletingMs ?? nowMs),
      firstToldBootID: known?.firstToldBootID ?? told.bootID,
      told,
      named: known?.named ?? NOBODY,
      namings: known?.namings ?? [],
      fencer,
      progress,
      progressMs: known?.progress === progress ? known.progressMs : nowMs,
      durable: durableMessage(known, status.fencing, nowMs),
      spent: known?.spent ?? [],
      fencers: fencersOf(remediation, known, fencer, snapshot),
      replacedMs: wasReplaced(known, fencer) ? nowMs : (known?.replacedMs ?? null),
    });
  }
  return { ...memory, reports, vouches, fencers, requests: shareFencers(requests, snapshot) };
}

function toldBoot(
  known: RequestMemory | undefined,
  remediation: SBDRemediation,
  snapshot: Snapshot,
  nowMs: number,
): RequestMemory["told"] {
  const node = nodeNamed(snapshot, nodeNameOf(remediation) ?? "");
  const bootID = node === null ? "" : bootIDOf(node);
  return known?.told.bootID === bootID ? known.told : { bootID, sinceMs: nowMs };
}

function noteSigns<Held extends { readonly metadata: { readonly name: string } }>(
  known: SignsOfLife,
  objects: readonly Held[],
  nowMs: number,
  signOf: (object: Held) => string,
): SignsOfLife {
  return new Map(
    objects.map((object) => {
      const { name } = object.metadata;
      const seen = signOf(object);
      const before = known.get(name);
      return [name, before?.seen === seen ? before : { seen, atMs: nowMs }];
    }),
  );
}

function noteRhythms(
  known: OperatorMemory["reports"],
  signs: SignsOfLife,
  { sbdNodes, remediations }: Snapshot,
  nowMs: number,
): OperatorMemory["reports"] {
  const missed = missedSlots(sbdNodes);
  const isRequestInHand = remediations.some(isInHand);
  const reports = new Map<string, Report>();
  for (const node of sbdNodes) {
    const { name } = node.metadata;
    const sign = signs.get(name);
    if (sign !== undefined) {
      const isOften = reportRhythm(node, node.status, missed, isRequestInHand) === "often";
      reports.set(name, { ...sign, oftenMs: isOften ? (known.get(name)?.oftenMs ?? nowMs) : null });
    }
  }
  return reports;
}

function fencersOf(
  remediation: SBDRemediation,
  known: RequestMemory | undefined,
  now: NamedFencer,
  snapshot: Snapshot,
): ReadonlyMap<string, FencerInBoot> {
  const fencers = known?.fencers ?? new Map<string, FencerInBoot>();
  const before = known?.fencer ?? NOBODY;
  const isNamedAnew =
    now.namedTime !== before.namedTime || (now.agent !== "" && now.agent !== before.agent);
  if (!isNamedAnew) {
    return fencers;
  }
  const names = known?.namings.some((naming) => isSame(now, naming))
    ? [now.agent]
    : everybodyOn(remediation.status.fencing?.configName, snapshot);
  const target = nodeNameOf(remediation);
  return new Map([
    ...fencers,
    ...names
      .filter((name) => name !== target)
      .map((name): [string, FencerInBoot] => {
        const node = nodeNamed(snapshot, name);
        const agentBootID = slotsOfNode(snapshot, name)[0]?.status.bootID ?? "";
        const nodeBootID = node === null ? "" : bootIDOf(node);
        return [`${name} ${agentBootID} ${nodeBootID}`, { name, agentBootID, nodeBootID }];
      }),
  ]);
}

function everybodyOn(configName: string | undefined, snapshot: Snapshot): readonly string[] {
  const agents = snapshot.sbdNodes
    .filter(({ spec }) => spec.configName === configName)
    .map(({ spec }) => spec.nodeName);
  return configName === undefined ? agents : [...agents, fencerNameOf(configName)];
}

/** One message stands for all requests for a node, so whoever wrote for one has written for each. */
function shareFencers(
  requests: ReadonlyMap<string, RequestMemory>,
  { remediations }: Snapshot,
): ReadonlyMap<string, RequestMemory> {
  const byNode = new Map<string, Map<string, FencerInBoot>>();
  for (const remediation of remediations) {
    const nodeName = nodeNameOf(remediation) ?? "";
    const fencers = byNode.get(nodeName) ?? new Map<string, FencerInBoot>();
    byNode.set(nodeName, fencers);
    for (const [key, fencer] of requests.get(remediation.metadata.uid ?? "")?.fencers ?? []) {
      fencers.set(key, fencer);
    }
  }
  const shared = new Map<string, RequestMemory>();
  for (const remediation of remediations) {
    const uid = remediation.metadata.uid ?? "";
    const own = requests.get(uid);
    const fencers = byNode.get(nodeNameOf(remediation) ?? "");
    if (own !== undefined && fencers !== undefined) {
      shared.set(uid, { ...own, fencers });
    }
  }
  return shared;
}

/** Another epoch is another message, addressed anew, though nobody saw it being written. */
function durableMessage(
  known: RequestMemory | undefined,
  fencing: SBDRemediation["status"]["fencing"],
  nowMs: number,
): RequestMemory["durable"] {
  const before = known?.durable ?? null;
  const epoch = fencing?.epoch ?? 0;
  return fencing?.state !== "Durable" || before?.epoch === epoch
    ? before
    : { epoch, sinceMs: nowMs };
}

/**
 * By whichever leader: only where this one named the first fencer itself it knows that there was none
 * before.
 */
function wasReplaced(known: RequestMemory | undefined, now: NamedFencer): boolean {
  const before = known?.fencer ?? NOBODY;
  // It may have decided anew since, on a cache that did not show its own naming yet.
  const isOwnFirst =
    before.namedTime === "" && (known?.namings ?? []).some((own) => isSame(own, now));
  return !isSame(now, before) && !isOwnFirst;
}

function isSame(a: NamedFencer, b: NamedFencer): boolean {
  return a.agent === b.agent && a.namedTime === b.namedTime;
}

/**
 * Its agent had a good pass lately, as far as its reports tell. One that has had to report often for a
 * short while only may not know yet.
 */
export function isReporting(memory: OperatorMemory, node: SBDNode, nowMs: number): boolean {
  const report = memory.reports.get(node.metadata.name);
  if (report === undefined || node.status.lastPassTime === undefined) {
    return false;
  }
  const dueMs = Math.max(report.atMs, report.oftenMs ?? nowMs);
  return nowMs - dueMs < AGENT_SILENT_AFTER_MS && nowMs - report.atMs < QUIET_AGENT_SILENT_AFTER_MS;
}

/** Its last report is as new as it would be if it were to report often. */
export function hasJustReported(memory: OperatorMemory, node: SBDNode, nowMs: number): boolean {
  const report = memory.reports.get(node.metadata.name);
  return report !== undefined && nowMs - report.atMs < AGENT_SILENT_AFTER_MS;
}

/** It has renewed its Lease lately, which it does while its passes are good. */
export function isFencing(memory: OperatorMemory, fencer: string, nowMs: number): boolean {
  const report = memory.fencers.get(fencer);
  return report !== undefined && report.seen !== "" && nowMs - report.atMs < AGENT_SILENT_AFTER_MS;
}

export function rememberRequest(
  memory: OperatorMemory,
  uid: string,
  change: Partial<RequestMemory>,
): OperatorMemory {
  const known = memory.requests.get(uid);
  if (known === undefined) {
    return memory;
  }
  const namings =
    change.named === undefined
      ? known.namings
      : [...known.namings, change.named].slice(-NAMINGS_KEPT);
  const changed = { ...known, ...change, namings };
  return { ...memory, requests: new Map(memory.requests).set(uid, changed) };
}
