import { REMEDIATION_TAINT_KEY } from "../api/remediation-names.ts";
import type { PastFencing, SBDNode } from "../api/sbd-node.ts";
import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { canonicalText, toPlain } from "../fencing/plain-data.ts";
import { type Action, targetOf } from "./action.ts";
import { nodeNamed, nodeNameOf, outcomeOf, type Snapshot } from "./snapshot.ts";

const FENCINGS_KEPT = 5;
/** Of all proofs that one SBDNode keeps; an object may not grow beyond 1.5 MB. */
const KEPT_OBSERVATIONS_LENGTH_MAX = 400_000;

/**
 * Keeps the last fencings of each node in its SBDNode, as NodeHealthCheck deletes a request once the
 * node is healthy, and with it what proved the death.
 */
export function keepFencings(snapshot: Snapshot): readonly Action[] {
  return snapshot.sbdNodes.flatMap((sbdNode): Action[] => {
    const known = sbdNode.status.fencings ?? [];
    const kept = new Map(known.map((fencing) => [fencing.requestUID, fencing]));
    for (const remediation of snapshot.remediations) {
      if (isAbout(remediation, sbdNode) && isWorthKeeping(remediation)) {
        const before = kept.get(remediation.metadata.uid ?? "") ?? null;
        const now = pastFencing(remediation, before, snapshot);
        kept.set(now.requestUID, now);
      }
    }
    // Always the same order: more requests than are kept must not take each other's place for ever.
    const fencings = bounded([...kept.values()].toSorted(newestFirst));
    return isSame(fencings, known)
      ? []
      : [{ type: "patch-sbd-node-status", target: targetOf(sbdNode), status: { fencings } }];
  });
}

function isSame(fencings: readonly PastFencing[], known: readonly PastFencing[]): boolean {
  return (
    fencings.length === known.length &&
    fencings.every((fencing, index) => {
      const before = known[index];
      return (
        fencing === before || canonicalText(toPlain(fencing)) === canonicalText(toPlain(before))
      );
    })
  );
}

function newestFirst(a: PastFencing, b: PastFencing): number {
  return (
    (b.requestedTime ?? "").localeCompare(a.requestedTime ?? "") ||
    b.requestUID.localeCompare(a.requestUID)
  );
}

function isAbout(remediation: SBDRemediation, { spec }: SBDNode): boolean {
  const { nodeID, configName } = remediation.status.fencing ?? {};
  return (
    nodeNameOf(remediation) === spec.nodeName &&
    (nodeID === undefined || nodeID === spec.nodeID) &&
    (configName === undefined || configName === spec.configName)
  );
}

/**
 * Once the leader has shown the proof, or the failure. A request that ended before anybody was named to
 * fence tells nothing about the node.
 */
function isWorthKeeping(remediation: SBDRemediation): boolean {
  return remediation.status.fencing !== undefined && outcomeOf(remediation) !== "open";
}

function pastFencing(
  { metadata, spec, status }: SBDRemediation,
  before: PastFencing | null,
  snapshot: Snapshot,
): PastFencing {
  const { fencing, confirmation, message } = status;
  const evidence = fencing?.evidence;
  const succeeded = status.conditions?.find(({ type }) => type === "Succeeded");
  const noExecuteTime = noExecuteSince(snapshot, status.nodeName ?? "") ?? before?.noExecuteTime;
  const finished = succeeded?.status === "True" || succeeded?.status === "False";
  const past: { [Field in keyof PastFencing]: PastFencing[Field] | undefined } = {
    requestUID: metadata.uid ?? "",
    requestNamespace: metadata.namespace ?? "",
    requestName: metadata.name,
    requestedTime: spec.remediationRequestTime ?? metadata.creationTimestamp,
    outcome:
      succeeded?.status === "True" ? "Released" : evidence === undefined ? "Failed" : "Proven",
    finishedTime: finished ? succeeded.lastTransitionTime : undefined,
    noExecuteTime,
    fencer: fencing?.agent ?? "",
    epoch: fencing?.epoch,
    bootID: fencing?.bootID,
    machineID: fencing?.machineID,
    messageDurableTime: fencing?.messageDurableTime,
    boundSeconds: fencing?.boundSeconds,
    evidence:
      // Proofs that were let go to keep the object small do not come back.
      evidence !== undefined && before?.evidence !== undefined ? before.evidence : evidence,
    confirmedBy: evidence?.kind === "ManuallyConfirmed" ? confirmation?.by : undefined,
    message: finished ? message : undefined,
  };
  return Object.fromEntries(
    Object.entries(past).filter(([, value]) => value !== undefined),
  ) as PastFencing;
}

function noExecuteSince(snapshot: Snapshot, nodeName: string): string | undefined {
  return nodeNamed(snapshot, nodeName)?.spec?.taints?.find(
    ({ key, effect }) => key === REMEDIATION_TAINT_KEY && effect === "NoExecute",
  )?.timeAdded;
}

/** The newest keep their observations; older ones lose them first, and then their place. */
function bounded(fencings: readonly PastFencing[]): readonly PastFencing[] {
  let room = KEPT_OBSERVATIONS_LENGTH_MAX;
  return fencings.slice(0, FENCINGS_KEPT).map((fencing) => {
    const length = fencing.evidence?.observations?.length ?? 0;
    if (fencing.evidence === undefined || length <= room) {
      room -= length;
      return fencing;
    }
    const { observations: _, ...evidence } = fencing.evidence;
    return { ...fencing, evidence };
  });
}
