import type { SBDNode, SBDNodeStatus } from "./sbd-node.ts";

/*
 * How often an agent writes the status of its SBDNode where nothing new is to be told. Agents write by
 * this and leaders expect them by this, from the same objects.
 */

export type ReportRhythm = "often" | "seldom";

/** A change is written at once in either. */
export const REPORT_EVERY_MS = { often: 5_000, seldom: 30_000 } as const;

type Told = {
  readonly [Field in "armed" | "leaving" | "fenced" | "message"]?: SBDNodeStatus[Field] | null;
};

/**
 * Often, where a silence would have to be noticed soon: while any request is in hand, since its fencer is
 * an agent; by an agent with something the matter; and by one that some peer no longer sees.
 *
 * @param told by the agent itself
 * @param missed as `missedSlots` has them
 */
export function reportRhythm(
  node: Pick<SBDNode, "spec">,
  { armed, leaving, fenced, message }: Told,
  missed: ReadonlySet<string>,
  isRequestInHand: boolean,
): ReportRhythm {
  const isWell = armed === true && leaving !== true && fenced !== true && message == null;
  return isWell && !isRequestInHand && !isMissed(missed, node) ? "seldom" : "often";
}

/** Slots that some agent of their device says it does not see move any more. */
export function missedSlots(sbdNodes: readonly SBDNode[]): ReadonlySet<string> {
  const missed = new Set<string>();
  for (const { spec, status } of sbdNodes) {
    for (const { nodeID } of status.unhealthyPeers ?? []) {
      missed.add(slotKey(spec.configName, nodeID));
    }
  }
  return missed;
}

export function isMissed(missed: ReadonlySet<string>, { spec }: Pick<SBDNode, "spec">): boolean {
  return missed.has(slotKey(spec.configName, spec.nodeID));
}

/** Of a slot, among those of all devices. */
export function slotKey(configName: string, nodeID: number): string {
  return `${configName} ${nodeID}`;
}
