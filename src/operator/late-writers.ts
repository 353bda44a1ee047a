import { fencerNameOf } from "../api/fencer-name.ts";
import type { SBDConfig } from "../api/sbd-config.ts";
import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { boundMsOf, reportedContract, timingOf } from "./contract-in-force.ts";
import { isFencerPod } from "./fencer-deployment.ts";
import { bootIDOf, type KubePod } from "./kube-object.ts";
import { AGENT_SILENT_AFTER_MS, type FencerInBoot, type OperatorMemory } from "./memory.ts";
import {
  nodeNamed,
  nodeNameOf,
  outcomeOf,
  slotsOfNode,
  type Moment,
  type Snapshot,
} from "./snapshot.ts";

/** In M. */
const WAIT_AT_MOST = 6;

/**
 * Fencers that may have a fence message in flight for a request that is being deleted, by name: their
 * path to the device may hang, and the write lands when it comes back. Not of these one that
 * - has looked at the device since: its queue is in order, so what it had in flight has ended; so has
 *   one that obeys a message itself;
 * - runs in another boot by now, is proven dead, has left, or whose Node is gone;
 * - was armed on a device whose header says `SelfFence`, and M has passed: without the device it is dead.
 *
 * A fencer that lives by the API alone, or that no watchdog ends, may come back at any time. The first is
 * waited for while the API vouches for it. None else is longer than six M: an agent that is gone for good
 * must not hold a request for ever, and a write that hangs longer than that on a living node is the
 * storage's fault.
 */
export function lateWriters(
  remediation: SBDRemediation,
  config: SBDConfig,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): readonly string[] {
  const known = memory.requests.get(remediation.metadata.uid ?? "");
  const deployed = fencerNameOf(config.metadata.name);
  const late = [...(known?.fencers ?? []).values()].filter((fencer) => {
    const sinceMs = withdrawnMs(fencer.name, remediation, snapshot, memory, moment);
    const about = { config, snapshot, memory, sinceMs, nowMs: moment.nowMs };
    const isSettled =
      fencer.name === deployed ? isDeploymentSettled(about) : isAgentSettled(fencer, about);
    const isWaitedFor = moment.nowMs - sinceMs < WAIT_AT_MOST * boundMsOf(config, snapshot);
    return !isSettled && (isWaitedFor || isVouchedFor(fencer, about));
  });
  return [...new Set(late.map(({ name }) => name))].toSorted();
}

type About = {
  readonly config: SBDConfig;
  readonly snapshot: Snapshot;
  readonly memory: OperatorMemory;
  /** Since when it is not granted anything; what it was granted lasts for T. */
  readonly sinceMs: number;
  readonly nowMs: number;
};

/** Since when no request for the node grants a fencer anything. */
function withdrawnMs(
  name: string,
  remediation: SBDRemediation,
  snapshot: Snapshot,
  memory: OperatorMemory,
  { nowMs }: Moment,
): number {
  const nodeName = nodeNameOf(remediation);
  const untilMs = snapshot.remediations
    .filter((other) => nodeNameOf(other) === nodeName)
    .map((other) => {
      const known = memory.requests.get(other.metadata.uid ?? "");
      const isNamed = other.status.fencing?.agent === name && outcomeOf(other) === "open";
      return isNamed ? (known?.deletingMs ?? nowMs) : (known?.replacedMs ?? -Infinity);
    });
  const lastMs = Math.max(...untilMs);
  const own = memory.requests.get(remediation.metadata.uid ?? "");
  return lastMs === -Infinity ? (own?.deletingMs ?? nowMs) : lastMs;
}

function isAgentSettled(fencer: FencerInBoot, about: About): boolean {
  const { config, snapshot, memory, sinceMs, nowMs } = about;
  const node = nodeNamed(snapshot, fencer.name);
  const slot = slotsOfNode(snapshot, fencer.name).find(
    ({ spec }) => spec.configName === config.metadata.name,
  );
  if (node === null || slot === undefined || slot.status.leaving === true) {
    return true;
  }
  const { bootID = "", armed = false } = slot.status;
  if (isBootGone(fencer, bootID, bootIDOf(node), snapshot)) {
    return true;
  }
  // To obey a message is to have read it, behind all that was written before.
  if (slot.status.fenced === true && nowMs - sinceMs >= settleMs(config, snapshot)) {
    return true;
  }
  const diesOfIt = armed && reportedContract(slot)?.onStorageLoss === "SelfFence";
  const reportedMs = memory.reports.get(slot.metadata.name)?.atMs ?? -Infinity;
  return (
    (diesOfIt && nowMs - sinceMs >= boundMsOf(config, snapshot)) ||
    reportedMs - sinceMs >= settleMs(config, snapshot)
  );
}

/** It lives, and without the device: a fencer that reads it again has settled. */
function isVouchedFor({ name }: FencerInBoot, about: About): boolean {
  const { config, snapshot, memory, nowMs } = about;
  return slotsOfNode(snapshot, name).some(({ metadata, status }) => {
    const vouch = memory.vouches.get(metadata.name);
    return (
      status.lastVouchTime !== undefined &&
      vouch !== undefined &&
      nowMs - vouch.atMs < boundMsOf(config, snapshot)
    );
  });
}

function isBootGone(
  { name, agentBootID, nodeBootID }: FencerInBoot,
  agentShows: string,
  nodeShows: string,
  snapshot: Snapshot,
): boolean {
  if (agentBootID === "") {
    return false;
  }
  // The Node may have been behind the agent when both were looked at.
  const nodeMovedOn = nodeBootID !== "" && ![nodeBootID, agentBootID, ""].includes(nodeShows);
  return (
    nodeMovedOn ||
    (agentShows !== "" && agentShows !== agentBootID) ||
    snapshot.remediations.some(
      (other) =>
        nodeNameOf(other) === name && other.status.fencing?.evidence?.bootID === agentBootID,
    )
  );
}

/** Every pod that is there has had good passes since: readiness is that. */
function isDeploymentSettled({ config, snapshot, sinceMs, nowMs }: About): boolean {
  const pods = snapshot.pods.filter((pod) => isFencerPod(pod, config.metadata.name));
  return (
    pods.every(hasEnded) || (nowMs - sinceMs >= settleMs(config, snapshot) && pods.every(isWell))
  );
}

function isWell(pod: KubePod): boolean {
  return (
    hasEnded(pod) ||
    pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ===
      true
  );
}

function hasEnded({ status }: KubePod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** After so long a pass is reported that began when the last grant had run out. */
function settleMs(config: SBDConfig, snapshot: Snapshot): number {
  const boundMs = boundMsOf(config, snapshot);
  return boundMs === 0
    ? 2 * AGENT_SILENT_AFTER_MS
    : Math.max(boundMs, timingOf(config, snapshot).timeoutMs + 2 * AGENT_SILENT_AFTER_MS);
}
