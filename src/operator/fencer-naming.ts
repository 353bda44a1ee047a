import { fencerNameOf } from "../api/fencer-name.ts";
import { isMissed, missedSlots } from "../api/report-rhythm.ts";
import type { SBDConfig } from "../api/sbd-config.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { boundMsOf } from "./contract-in-force.ts";
import { hasJustReported, isFencing, isReporting, type OperatorMemory } from "./memory.ts";
import {
  isGoing,
  isOpen,
  nodeNameOf,
  outcomeOf,
  slotsOfConfig,
  type Snapshot,
} from "./snapshot.ts";

/** A fencer that reports nothing new for longer is replaced. */
const NO_PROGRESS_AFTER_MS = 30_000;

/**
 * Whether another request of this device may be given a fencer now. Those that this leader has named
 * a fencer for count at once, in the same round and before its cache shows them. One whose message
 * has been durable for M counts no more: it has killed what it could, and may wait for its proof for
 * good.
 */
export function hasFencingPlace(
  snapshot: Snapshot,
  memory: OperatorMemory,
  config: SBDConfig,
  remediation: SBDRemediation,
  nowMs: number,
): boolean {
  const nodesOnDevice = slotsOfConfig(snapshot, config.metadata.name);
  const most =
    config.spec.maxConcurrentFencing ?? Math.max(1, Math.ceil(nodesOnDevice.length / 2) - 1);
  const onDevice = new Set(nodesOnDevice.map(({ spec }) => spec.nodeName));
  const inHand = snapshot.remediations.filter((other) => {
    const named = memory.requests.get(other.metadata.uid ?? "")?.named.agent ?? "";
    return isOpen(other) && (other.status.fencing?.agent ?? named) !== "";
  });
  if (inHand.some((other) => nodeNameOf(other) === nodeNameOf(remediation))) {
    return true;
  }
  const boundMs = boundMsOf(config, snapshot);
  const holding = inHand.filter((other) => !hasKilledByNow(other, memory, boundMs, nowMs));
  const places = new Set(
    holding.map((other) => nodeNameOf(other) ?? "").filter((nodeName) => onDevice.has(nodeName)),
  );
  return places.size < most;
}

/** By this leader's own clock, and by the longer contract where the target lives by another one. */
function hasKilledByNow(
  { metadata, status: { fencing } }: SBDRemediation,
  memory: OperatorMemory,
  configBoundMs: number,
  nowMs: number,
): boolean {
  const durable = memory.requests.get(metadata.uid ?? "")?.durable ?? null;
  const boundMs = Math.max(configBoundMs, (fencing?.boundSeconds ?? 0) * 1_000);
  return (
    fencing?.state === "Durable" &&
    durable !== null &&
    durable.epoch === (fencing.epoch ?? 0) &&
    nowMs - durable.sinceMs > boundMs
  );
}

/**
 * Whom to name: the present fencer while it makes progress, else a healthy agent of the same device
 * that was not tried yet; with `Operator` placement the Deployment that mounts the device, while its
 * fencer is at work. Null where nobody can be named.
 */
export function chooseFencer(
  snapshot: Snapshot,
  memory: OperatorMemory,
  config: SBDConfig,
  remediation: SBDRemediation,
  nowMs: number,
): string | null {
  const named = remediation.status.fencing?.agent ?? "";
  const failed =
    remediation.status.fencing?.state === "Failed" &&
    remediation.status.fencing.unfencable === undefined;
  const deployed = fencerNameOf(config.metadata.name);
  const isDeployed = config.spec.fencerPlacement === "Operator";
  if (isDeployed && isFencing(memory, deployed, nowMs)) {
    return failed && named === deployed ? null : deployed;
  }
  const known = memory.requests.get(remediation.metadata.uid ?? "");
  const candidates = candidatesFor(snapshot, memory, config, remediation, nowMs);
  const present = candidates.find(({ spec }) => spec.nodeName === named);
  const stalled = known !== undefined && nowMs - known.progressMs > NO_PROGRESS_AFTER_MS;
  if (present !== undefined && !failed && !stalled) {
    return named;
  }
  if (isDeployed) {
    return null;
  }
  const spent = new Set([...(known?.spent ?? []), named]);
  return candidates.find(({ spec }) => !spent.has(spec.nodeName))?.spec.nodeName ?? null;
}

/**
 * Healthy agents on the device, but the target and those that are being fenced themselves; last those
 * that some peer misses, or whose last report may be from before they fell silent. A request
 * that has ended says nothing about its node any more, however long nobody deletes it: the node's own
 * agent reports whether it is well.
 */
export function candidatesFor(
  snapshot: Snapshot,
  memory: OperatorMemory,
  config: SBDConfig,
  remediation: SBDRemediation,
  nowMs: number,
): readonly SBDNode[] {
  const condemned = new Set(
    snapshot.remediations
      .filter(
        (other) =>
          other.metadata.deletionTimestamp === undefined &&
          (outcomeOf(other) === "open" || outcomeOf(other) === "fenced"),
      )
      .map((other) => nodeNameOf(other)),
  );
  const able = slotsOfConfig(snapshot, config.metadata.name).filter(
    (node) =>
      node.spec.nodeName !== nodeNameOf(remediation) &&
      !condemned.has(node.spec.nodeName) &&
      !isGoing(node, snapshot) &&
      node.status.leaving !== true &&
      node.status.fenced !== true &&
      isReporting(memory, node, nowMs),
  );
  const missed = missedSlots(snapshot.sbdNodes);
  const isDoubtful = (node: SBDNode): boolean =>
    isMissed(missed, node) || !hasJustReported(memory, node, nowMs);
  return [...able.filter((node) => !isDoubtful(node)), ...able.filter(isDoubtful)];
}
