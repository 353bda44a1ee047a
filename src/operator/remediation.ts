import { fencerNameOf } from "../api/fencer-name.ts";
import type { FencingStatus } from "../api/fencing-status.ts";
import type { SBDConfig } from "../api/sbd-config.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import type { SBDRemediation, SBDRemediationStatus } from "../api/sbd-remediation.ts";
import { nodeOfRemediation } from "../api/node-of-remediation.ts";
import { REMEDIATION_FINALIZER, TIMED_OUT_ANNOTATION } from "../api/remediation-names.ts";
import { seconds } from "../timing/contract.ts";
import { remediationEvent, type Action, type StatusPatch, targetOf } from "./action.ts";
import { afterReboot, bootAskedFor, provenByAnother } from "./asked-boot.ts";
import { boundMsOf } from "./contract-in-force.ts";
import { chooseFencer, hasFencingPlace } from "./fencer-naming.ts";
import { whyNotYet } from "./guards.ts";
import { bootIDOf, isReady, type KubeNode } from "./kube-object.ts";
import { rememberRequest, type OperatorMemory } from "./memory.ts";
import { lowerTaint, taintForFencing } from "./node-taints.ts";
import type { ReconcileStep } from "./reconcile-step.ts";
import { reconcileDeletion } from "./remediation-deletion.ts";
import { showMoment } from "./remediation-status.ts";
import {
  configNamed,
  nodeNamed,
  nodeNameOf,
  outcomeOf,
  slotsOfNode,
  type Moment,
  type Snapshot,
} from "./snapshot.ts";
import { keepsNoExecute } from "./standing-request.ts";
import { clearOutOfService, releaseWork } from "./workload-release.ts";

/**
 * One request, one step: looks at what the API holds and asks for what comes next. Finalizer and
 * taint are durable before a fencer is named, and a fencer is named before a message is written; the
 * leader alone turns the fencer's evidence into conditions. Two leaders doing this at once are
 * harmless: every write carries the resourceVersion it was decided on.
 */
export function reconcileRemediation(
  remediation: SBDRemediation,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): ReconcileStep {
  if (remediation.metadata.deletionTimestamp !== undefined) {
    return reconcileDeletion(remediation, snapshot, memory, moment);
  }
  const named = nodeOfRemediation(remediation);
  const outcome = outcomeOf(remediation);
  if (!named.ok) {
    return outcome === "failed"
      ? { actions: [], memory }
      : fail(remediation, named.error.message, memory, moment);
  }
  if (outcome === "failed") {
    return { actions: afterFailure(remediation, named.nodeName, snapshot), memory };
  }
  const found = nodeNamed(snapshot, named.nodeName);
  const isReplaced = found !== null && cameAfter(found, remediation);
  const node = isReplaced ? null : found;
  if (outcome === "succeeded" || outcome === "fenced") {
    return { actions: afterProof(remediation, snapshot, node, outcome, moment), memory };
  }
  const isProven = remediation.status.fencing?.evidence !== undefined;
  if (node === null && (isReplaced || !isProven)) {
    const message = isReplaced
      ? `the Node ${named.nodeName} that this was asked for is gone, and another one has its name`
      : `there is no Node ${named.nodeName}: nothing is fenced`;
    const withdrawn = withoutFencer(remediation);
    return {
      actions: [
        ...showMoment(remediation, "node-not-found", message, moment.wall, withdrawn),
        fencingFailed(remediation, named.nodeName, message),
      ],
      memory,
    };
  }
  if (remediation.metadata.annotations?.[TIMED_OUT_ANNOTATION] !== undefined && !isProven) {
    return timeOut(remediation, memory, moment);
  }
  if (node === null) {
    return { actions: showProof(remediation, named.nodeName, moment), memory };
  }
  return towardsProof(remediation, node, snapshot, memory, moment);
}

/** Another Node of the name, registered since: it may be a machine that nobody has asked to end. */
function cameAfter(node: KubeNode, { metadata, status }: SBDRemediation): boolean {
  const { uid = "", creationTimestamp = "" } = node.metadata;
  return status.nodeUID !== uid && creationTimestamp > (metadata.creationTimestamp ?? "");
}

function towardsProof(
  remediation: SBDRemediation,
  node: KubeNode,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): ReconcileStep {
  const { status } = remediation;
  if (status.phase === undefined) {
    return begin(remediation, node, memory, moment);
  }
  const prepared = prepare(remediation, node, moment);
  if (prepared.length > 0) {
    return { actions: prepared, memory };
  }
  const slots = slotsOfNode(snapshot, node.metadata.name);
  if (slots.length > 1) {
    const message = "two SBDNodes name it; nothing can be proven until one is gone";
    return { actions: showMoment(remediation, "started", message, moment.wall), memory };
  }
  const [slot] = slots;
  const config = slot === undefined ? null : configNamed(snapshot, slot.spec.configName);
  if (slot === undefined || config === null) {
    const detail = "no SBDNode names it, so no agent of it has ever beaten in a slot";
    return failAtBound(remediation, boundOfFirst(snapshot), detail, memory, moment);
  }
  if (status.fencing?.evidence !== undefined) {
    return { actions: showProof(remediation, node.metadata.name, moment), memory };
  }
  const shared = provenByAnother(remediation, node, snapshot, moment);
  if (shared !== null) {
    return { actions: shared, memory };
  }
  if (status.fencing?.state === "Failed" && status.fencing.unfencable !== undefined) {
    return fail(remediation, status.fencing.unfencable.detail, memory, moment);
  }
  const boundMs = boundMsOf(config, snapshot);
  const rebooted = afterReboot(remediation, node, boundMs, memory, moment.nowMs);
  if (rebooted?.kind === "fail") {
    return fail(remediation, rebooted.message, memory, moment);
  }
  if (rebooted !== null) {
    const more = rebooted.kind === "ask-anew" ? { nodeBootID: rebooted.bootID } : {};
    const { message } = rebooted;
    return { actions: showMoment(remediation, "started", message, moment.wall, more), memory };
  }
  return keepFencing(remediation, node, slot, config, snapshot, memory, moment);
}

/** Names a fencer, replaces one that makes no progress, and follows the one that does. */
function keepFencing(
  remediation: SBDRemediation,
  node: KubeNode,
  slot: SBDNode,
  config: SBDConfig,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): ReconcileStep {
  const fencing = remediation.status.fencing;
  const named = fencing?.agent ?? "";
  const why = named === "" ? whyNotYet(remediation, node, snapshot, memory) : null;
  if (why !== null) {
    return { actions: showMoment(remediation, "started", why, moment.wall), memory };
  }
  if (named === "" && !hasFencingPlace(snapshot, memory, config, remediation, moment.nowMs)) {
    const message = "waiting: as many nodes as maxConcurrentFencing allows are being fenced";
    return { actions: showMoment(remediation, "started", message, moment.wall), memory };
  }
  const fencer = chooseFencer(snapshot, memory, config, remediation, moment.nowMs);
  if (fencer !== null && fencer !== named) {
    const naming = nameFencer(remediation, slot, config, fencer, memory, moment);
    return {
      ...naming,
      actions: [...evict(remediation, node, slot, snapshot, moment), ...naming.actions],
    };
  }
  const isDeployed = config.spec.fencerPlacement === "Operator";
  if (fencer === null && fencing?.state === "Failed" && fencing.unfencable === undefined) {
    const why = fencing.reason ?? "the fence message cannot be written";
    const tried = isDeployed ? named : "every agent";
    return fail(remediation, `${tried} was tried: ${why}`, memory, moment);
  }
  const wanted = isDeployed
    ? `a fencer of Deployment ${fencerNameOf(config.metadata.name)}`
    : "a healthy agent other than the target";
  if (fencer === null && fencing?.state !== "Durable") {
    const message = `waiting for ${wanted} to fence it`;
    return failAtBound(remediation, boundMsOf(config, snapshot), message, memory, moment);
  }
  if (fencing?.state !== "Durable") {
    const message = fencing?.unfencable?.detail ?? fencing?.reason ?? `${named} is to fence it`;
    return { actions: showMoment(remediation, "started", message, moment.wall), memory };
  }
  // The message stands: that nobody reports for a while is no reason to give up the proof.
  const missing =
    fencer === null
      ? `waiting for ${wanted} to go on watching the target`
      : (fencing.unfencable?.detail ?? fencing.missing?.join("; ") ?? "");
  return {
    actions: [
      ...evict(remediation, node, slot, snapshot, moment),
      ...showMoment(remediation, "proof-pending", missing, moment.wall),
      ...tellDurable(remediation, fencing),
    ],
    memory,
  };
}

/** Once: a later epoch is told in the status alone. */
function tellDurable(
  remediation: SBDRemediation,
  { agent, epoch, bootID }: FencingStatus,
): readonly Action[] {
  if (remediation.status.phase === "FencingInProgress") return [];
  const message = `The message of ${agent}, epoch ${epoch}, to boot ${bootID ?? "unknown"} is durable.`;
  return [remediationEvent(remediation, "Normal", "MessageDurable", message)];
}

/**
 * NoExecute from the moment that a fencer is named, so that it has long stood when the death is proven; on a
 * node that is Ready, and so runs its pods, only where its boot can be fenced, or its message stands.
 */
function evict(
  remediation: SBDRemediation,
  node: KubeNode,
  slot: SBDNode,
  snapshot: Snapshot,
  moment: Moment,
): readonly Action[] {
  if (isUnprovable(remediation, node)) {
    return isAlone(remediation, node.metadata.name, snapshot)
      ? lowerTaint(node, remediation.metadata.uid ?? "")
      : [];
  }
  const { armed = false, leaving = false, bootID } = slot.status ?? {};
  const isArmed = armed && !leaving && bootID === bootIDOf(node);
  const mayDie = !isReady(node) || isArmed || remediation.status.fencing?.state === "Durable";
  return mayDie ? taintForFencing(node, "NoExecute", moment.wall) : [];
}

/**
 * The boot that the message is addressed to runs and is Ready, and its fencer says that nothing can be
 * proven of it: its pods are not evicted for that. Another boot needs NoExecute before any proof.
 */
function isUnprovable({ status: { fencing } }: SBDRemediation, node: KubeNode): boolean {
  return fencing?.unfencable !== undefined && isReady(node) && bootIDOf(node) === fencing.bootID;
}

/** A Ready node of which nothing was proven, and which no other request is for, keeps its pods. */
function afterFailure(
  remediation: SBDRemediation,
  nodeName: string,
  snapshot: Snapshot,
): readonly Action[] {
  const node = nodeNamed(snapshot, nodeName);
  const mayLower =
    node !== null &&
    isReady(node) &&
    isAlone(remediation, nodeName, snapshot) &&
    remediation.status.fencing?.evidence === undefined;
  return mayLower ? lowerTaint(node, remediation.metadata.uid ?? "") : [];
}

/** No other request for the node goes on, or has proven a death that NoExecute must outlast. */
function isAlone(remediation: SBDRemediation, nodeName: string, snapshot: Snapshot): boolean {
  const uid = remediation.metadata.uid ?? "";
  return !snapshot.remediations.some((other) => keepsNoExecute(other, nodeName, uid));
}

function begin(
  remediation: SBDRemediation,
  node: KubeNode,
  memory: OperatorMemory,
  moment: Moment,
): ReconcileStep {
  const nodeName = node.metadata.name;
  const nodeBootID = bootAskedFor(remediation, node, memory);
  return {
    actions: [
      ...showMoment(remediation, "started", "accepted", moment.wall, {
        nodeName,
        nodeUID: node.metadata.uid ?? "",
        ...(nodeBootID === "" ? {} : { nodeBootID }),
      }),
      remediationEvent(
        remediation,
        "Normal",
        "FencingInitiated",
        `Fencing initiated for node '${nodeName}' via SBD.`,
      ),
    ],
    memory,
  };
}

/**
 * Finalizer first, then the taint: what must stand before anybody may write a message. NoExecute where
 * death may be, or is, proven without one that was seen durable: a machine that is powered on after an
 * administrator's word must be given no pods, whatever becomes of those that are there.
 */
function prepare(remediation: SBDRemediation, node: KubeNode, moment: Moment): readonly Action[] {
  const finalizers = remediation.metadata.finalizers ?? [];
  if (!finalizers.includes(REMEDIATION_FINALIZER)) {
    return [
      {
        type: "set-remediation-finalizers",
        target: targetOf(remediation),
        finalizers: [...finalizers, REMEDIATION_FINALIZER],
      },
    ];
  }
  const { confirmation, fencing } = remediation.status;
  const isConfirmed =
    confirmation !== undefined && confirmation.requestUID === remediation.metadata.uid;
  const effect = isConfirmed || fencing?.evidence !== undefined ? "NoExecute" : "NoSchedule";
  return taintForFencing(node, effect, moment.wall);
}

function nameFencer(
  remediation: SBDRemediation,
  slot: SBDNode,
  config: SBDConfig,
  fencer: string,
  memory: OperatorMemory,
  moment: Moment,
): ReconcileStep {
  const uid = remediation.metadata.uid ?? "";
  const before = remediation.status.fencing?.agent ?? "";
  const spent = memory.requests.get(uid)?.spent ?? [];
  const message = `${fencer} is named to fence it`;
  return {
    actions: [
      ...showMoment(remediation, "started", message, moment.wall, {
        fencing: {
          agent: fencer,
          agentNamedTime: moment.wall,
          configName: config.metadata.name,
          nodeID: slot.spec.nodeID,
          state: "Waiting",
          // What the fencer before it said is not this one's word.
          bootID: null,
          machineID: null,
          messageDurableTime: null,
          missing: null,
          unfencable: null,
          reason: null,
          observed: null,
        },
      }),
      remediationEvent(remediation, "Normal", "FencerNamed", message),
    ],
    memory: rememberRequest(memory, uid, {
      spent: before === "" || spent.includes(before) ? spent : [...spent, before],
      named: { agent: fencer, namedTime: moment.wall },
      progressMs: moment.nowMs,
    }),
  };
}

function showProof(remediation: SBDRemediation, nodeName: string, moment: Moment): Action[] {
  const detail = remediation.status.fencing?.evidence?.detail ?? "";
  return [
    ...showMoment(remediation, "fenced", detail, moment.wall),
    remediationEvent(
      remediation,
      "Normal",
      "NodeFenced",
      `Node '${nodeName}' successfully fenced via SBD.`,
    ),
  ];
}

/** Proof stands for good, whatever comes after it. */
function afterProof(
  remediation: SBDRemediation,
  snapshot: Snapshot,
  node: KubeNode | null,
  outcome: "fenced" | "succeeded",
  moment: Moment,
): Action[] {
  const deadBootID = remediation.status.fencing?.evidence?.bootID ?? "";
  if (outcome === "succeeded") {
    return node === null ? [] : clearOutOfService(node, deadBootID);
  }
  if (node === null) {
    return showMoment(remediation, "finished", "", moment.wall);
  }
  const { remediationStrategy } = remediation.spec;
  // A proof may be quicker than the taint: without it, a later boot could be given its pods again.
  const tainted =
    remediationStrategy === "None" ? [] : taintForFencing(node, "NoExecute", moment.wall);
  if (tainted.length > 0) {
    return tainted;
  }
  const release = releaseWork(snapshot, node, deadBootID, remediationStrategy, moment.wall);
  return release.released
    ? [
        ...showMoment(remediation, "finished", "", moment.wall),
        remediationEvent(remediation, "Normal", "RemediationFinished", "Remediation finished"),
      ]
    : [...release.actions, ...showMoment(remediation, "fenced", release.detail, moment.wall)];
}

/** A node without a slot belongs to no SBDConfig; any one of them tells how long M is. */
export function boundOfFirst(snapshot: Snapshot): number {
  const [config] = snapshot.configs;
  return config === undefined ? 0 : boundMsOf(config, snapshot);
}

/** Said at once, and failed at M: a rollout, a late reboot or an administrator may still prove it. */
export function failAtBound(
  remediation: SBDRemediation,
  boundMs: number,
  detail: string,
  memory: OperatorMemory,
  moment: Moment,
): ReconcileStep {
  const known = memory.requests.get(remediation.metadata.uid ?? "");
  const waitedMs = moment.nowMs - (known?.firstSeenMs ?? moment.nowMs);
  if (waitedMs >= boundMs) {
    return fail(remediation, `it cannot be fenced: ${detail}`, memory, moment);
  }
  const message = `${detail}; fails after ${seconds(boundMs)} unless that changes`;
  return { actions: showMoment(remediation, "started", message, moment.wall), memory };
}

function fail(
  remediation: SBDRemediation,
  detail: string,
  memory: OperatorMemory,
  moment: Moment,
): ReconcileStep {
  const named = nodeOfRemediation(remediation);
  const nodeName = named.ok ? named.nodeName : remediation.metadata.name;
  return {
    actions: [
      ...showMoment(remediation, "failed", detail, moment.wall, withoutFencer(remediation)),
      fencingFailed(remediation, nodeName, detail),
    ],
    memory,
  };
}

function fencingFailed(remediation: SBDRemediation, nodeName: string, why: string): Action {
  const message = `Failed to fence node '${nodeName}' via SBD: ${why}`;
  return remediationEvent(remediation, "Warning", "FencingFailed", message);
}

/** NodeHealthCheck waits no longer: no new message is written; one that stands may still kill. */
function timeOut(
  remediation: SBDRemediation,
  memory: OperatorMemory,
  moment: Moment,
): ReconcileStep {
  const detail = "NodeHealthCheck timed the remediation out before the node was proven dead";
  return {
    actions: [
      ...showMoment(remediation, "timed-out", detail, moment.wall, withoutFencer(remediation)),
      remediationEvent(
        remediation,
        "Normal",
        "RemediationStopped",
        "NHC added the timed-out annotation, remediation will be stopped",
      ),
      fencingFailed(remediation, nodeNameOf(remediation) ?? remediation.metadata.name, detail),
    ],
    memory,
  };
}

/**
 * Nobody fences for a request that has failed: another remediator may have brought the node back,
 * and a message to its new boot would kill a healthy node.
 */
function withoutFencer(remediation: SBDRemediation): StatusPatch<SBDRemediationStatus> {
  return remediation.status.fencing === undefined ? {} : { fencing: { agent: "" } };
}
