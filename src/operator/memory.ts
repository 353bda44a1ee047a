import type { SBDNode } from "../api/sbd-node.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * What a leader remembers between reconciles, on its own unslewed clock. Losing it with the process
 * costs time, never safety: every wait starts anew.
 */
export type OperatorMemory = {
  /** When each agent was last seen to report something new, by SBDNode name. */
  readonly reports: ReadonlyMap<string, { readonly seen: string; readonly atMs: number }>;
  /** By UID of the SBDRemediation. */
  readonly requests: ReadonlyMap<string, RequestMemory>;
};

export type RequestMemory = {
  readonly firstSeenMs: number;
  /** Since when it is being deleted; null = it is not. */
  readonly deletingMs: number | null;
  /** Whom this leader named last: a cache may show it late. Empty: nobody yet. */
  readonly named: string;
  /** The fencer that was seen last, and when it was named: empty and "" before any was. */
  readonly fencer: { readonly agent: string; readonly namedTime: string };
  /** The last thing its fencer reported, and when that was new. */
  readonly progress: string;
  readonly progressMs: number;
  /** Agents that were named and failed or fell silent. */
  readonly spent: readonly string[];
  /** When a fencer was last replaced or withdrawn: a write of it may be in flight for M. */
  readonly replacedMs: number | null;
};

export const NO_MEMORY: OperatorMemory = { reports: new Map(), requests: new Map() };

/** An agent that has not reported for longer is not named, and is replaced. */
export const AGENT_SILENT_AFTER_MS = 15_000;

/** Notes what is new in the agents' and fencers' reports, and forgets what is gone. */
export function noteReports(
  memory: OperatorMemory,
  snapshot: Snapshot,
  nowMs: number,
): OperatorMemory {
  const reports = new Map<string, { readonly seen: string; readonly atMs: number }>();
  for (const node of snapshot.sbdNodes) {
    const known = memory.reports.get(node.metadata.name);
    const seen = `${node.status.startID ?? ""} ${node.status.lastPassTime ?? ""}`;
    reports.set(node.metadata.name, known?.seen === seen ? known : { seen, atMs: nowMs });
  }
  const requests = new Map<string, RequestMemory>();
  for (const { metadata, status } of snapshot.remediations) {
    const uid = metadata.uid ?? "";
    const known = memory.requests.get(uid);
    const progress = JSON.stringify(status.fencing ?? null);
    const { agent = "", agentNamedTime: namedTime = "" } = status.fencing ?? {};
    const fencer = { agent, namedTime };
    requests.set(uid, {
      firstSeenMs: known?.firstSeenMs ?? nowMs,
      deletingMs: metadata.deletionTimestamp === undefined ? null : (known?.deletingMs ?? nowMs),
      named: known?.named ?? "",
      fencer,
      progress,
      progressMs: known?.progress === progress ? known.progressMs : nowMs,
      spent: known?.spent ?? [],
      replacedMs: wasReplaced(known, fencer) ? nowMs : (known?.replacedMs ?? null),
    });
  }
  return { reports, requests };
}

/** By whichever leader; one that is new cannot know, and waits. */
function wasReplaced(known: RequestMemory | undefined, now: RequestMemory["fencer"]): boolean {
  if (known === undefined) {
    return now.namedTime !== "";
  }
  const { agent, namedTime } = known.fencer;
  return agent !== "" && (agent !== now.agent || namedTime !== now.namedTime);
}

/** Its agent had a good pass lately, as far as its reports tell. */
export function isReporting(memory: OperatorMemory, node: SBDNode, nowMs: number): boolean {
  const report = memory.reports.get(node.metadata.name);
  return (
    report !== undefined &&
    node.status.lastPassTime !== undefined &&
    nowMs - report.atMs < AGENT_SILENT_AFTER_MS
  );
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
  return { ...memory, requests: new Map(memory.requests).set(uid, { ...known, ...change }) };
}
