import { TEXT_LENGTH_MAX } from "../../api/field.ts";
import type { SBDNode, SBDNodeStatus } from "../../api/sbd-node.ts";
import { textAt, type KubeObject } from "../../kube/kube-object.ts";
import { VERSION } from "../../program/version.ts";
import type { AgentStatus } from "../driver/api-message.ts";

/** The part of an SBDNode's status that its agent reports; null removes what is not so any more. */
export type OwnStatus = {
  readonly [
    Field in Exclude<
      keyof SBDNodeStatus,
      | "lastVouchTime"
      | "watchdogTests"
      | "slotTask"
      | "slotTaskResults"
      | "fencings"
      | "conditions"
      | "watchdog"
    >
  ]-?: NonNullable<SBDNodeStatus[Field]> | null;
} & { readonly watchdog: OwnWatchdog };

type Watchdog = NonNullable<SBDNodeStatus["watchdog"]>;
/** A merge patch goes into it, so what it does not name would stay. */
type OwnWatchdog = { readonly [Field in keyof Watchdog]-?: NonNullable<Watchdog[Field]> | null };

const IDENTITY_LENGTH_MAX = 64;

/**
 * What an agent's SBDNode is to say.
 *
 * @param sbdNodes all of them: who is a peer, and which slots the leader waits to give out anew
 * @param lastPassTime as `datePass` has dated it
 */
export function ownStatus(
  agent: AgentStatus,
  sbdNodes: readonly SBDNode[],
  wallMs: number,
  lastPassTime: string | null,
): OwnStatus {
  const { passLatencyMs, fenceUnreadableSinceWallMs } = agent;
  return {
    bootID: agent.bootID,
    machineID: agent.machineID,
    startID: agent.startID,
    agentVersion: VERSION,
    deviceUUID: agent.deviceUUID,
    contract: contractOf(agent),
    watchdog: watchdogOf(agent),
    armed: agent.watchdog === "armed",
    detectOnly: agent.detectOnly,
    leaving: agent.life === "leaving",
    fenced: agent.selfFenced,
    lastPassTime,
    passLatencyMilliseconds: passLatencyMs === null ? null : Math.max(0, Math.round(passLatencyMs)),
    fenceSlotUnreadableSince:
      fenceUnreadableSinceWallMs === null ? null : instant(fenceUnreadableSinceWallMs),
    movingPeers: agent.moving.filter((nodeID) => nodeID !== agent.nodeID).length,
    unhealthyPeers: unhealthyPeers(agent, sbdNodes, wallMs),
    staleSlots: staleSlots(agent, sbdNodes, wallMs),
    message: messageOf(agent)?.slice(0, TEXT_LENGTH_MAX) ?? null,
  };
}

/**
 * The same status without what this process cannot know yet. Until it has armed or has given the
 * watchdog up, its boot is as armed, and as gone, as a process before it in this boot has said: a
 * successor that cannot read the device knows neither, and a fencer believes the API.
 */
export function asFarAsKnown(
  status: OwnStatus,
  { watchdog }: AgentStatus,
  own: KubeObject,
): Partial<OwnStatus> {
  const sameBoot = textAt(own, "status", "bootID") === status.bootID;
  const { armed, leaving, ...rest } = status;
  const undecided = sameBoot && (watchdog === "closed" || watchdog === "opening");
  return {
    ...rest,
    ...(undecided && armed !== true ? {} : { armed }),
    ...(undecided && leaving !== true ? {} : { leaving }),
  };
}

/**
 * The same text for two statuses that differ in nothing but times and latencies; that a slot has stood
 * still for M by now is more than a time: the leader waits for it.
 *
 * @param msgwaitMs M, or null where it is not known
 */
export function materialPart(status: OwnStatus, msgwaitMs: number | null): string {
  const { staleSlots, unhealthyPeers } = status;
  const isLongStill = (seconds: number): boolean => seconds * 1_000 >= (msgwaitMs ?? Infinity);
  return JSON.stringify({
    ...status,
    lastPassTime: status.lastPassTime !== null,
    passLatencyMilliseconds: null,
    staleSlots: staleSlots?.map(({ nodeID, content, bootID, stillSeconds }) => ({
      nodeID,
      content,
      bootID,
      isLongStill: isLongStill(stillSeconds),
    })),
    unhealthyPeers: unhealthyPeers?.map(({ nodeID, nodeName }) => ({ nodeID, nodeName })),
  });
}

function contractOf({ header }: AgentStatus): OwnStatus["contract"] {
  return header === null
    ? null
    : {
        sbdTimeoutSeconds: header.timeoutMs / 1_000,
        watchdogTimeoutSeconds: header.watchdogMs / 1_000,
        onStorageLoss: header.onStorageLoss,
        configUID: header.configUID,
        clusterUID: header.clusterUID,
      };
}

function watchdogOf({ watchdogDevice, effectiveWatchdogMs }: AgentStatus): OwnWatchdog {
  const { path, identity, driver, timeoutSeconds, verified, refusal } = watchdogDevice;
  return {
    path,
    verified,
    identity: identity?.slice(0, IDENTITY_LENGTH_MAX) ?? null,
    driver: driver?.slice(0, IDENTITY_LENGTH_MAX) ?? null,
    timeoutSeconds,
    effectiveTimeoutSeconds: effectiveWatchdogMs === null ? null : effectiveWatchdogMs / 1_000,
    refusal: refusal?.slice(0, TEXT_LENGTH_MAX) ?? null,
  };
}

/**
 * Of every slot that is held, also of one that is being deleted: whether its Node is gone for good the leader knows.
 * Whoever has not watched for T does not know yet of a peer that it has not seen move. A peer that has
 * left in order is absent on purpose.
 */
function unhealthyPeers(
  { peers, watchedForMs, timing }: AgentStatus,
  sbdNodes: readonly SBDNode[],
  wallMs: number,
): NonNullable<SBDNodeStatus["unhealthyPeers"]> {
  const names = new Map(
    sbdNodes
      .filter(({ status }) => status.leaving !== true)
      .map(({ spec }) => [spec.nodeID, spec.nodeName]),
  );
  const unhealthy: NonNullable<SBDNodeStatus["unhealthyPeers"]> = [];
  const hasWatched = timing !== null && (watchedForMs ?? 0) >= timing.timeoutMs;
  for (const { nodeID, nodeName, moving, movedAgeMs } of peers) {
    const isStill = !moving && (movedAgeMs !== null || hasWatched);
    if (isStill && names.get(nodeID) === nodeName) {
      const since = movedAgeMs === null ? {} : { since: instant(wallMs - movedAgeMs) };
      unhealthy.push({ nodeID, nodeName, ...since });
    }
  }
  return unhealthy;
}

/** Slots that the leader may want to give out: of no SBDNode, or of one that is being deleted. */
function staleSlots(
  { stillSlots, peers, watchedForMs, nodeID: ownID }: AgentStatus,
  sbdNodes: readonly SBDNode[],
  wallMs: number,
): NonNullable<SBDNodeStatus["staleSlots"]> {
  const held = new Set(sbdNodes.filter(isStaying).map(({ spec }) => spec.nodeID));
  const time = instant(wallMs);
  const stale: NonNullable<SBDNodeStatus["staleSlots"]> = [];
  for (const { nodeID, content, bootID, stillMs } of stillSlots) {
    if (!held.has(nodeID)) {
      const boot = bootID === null ? {} : { bootID };
      stale.push({ nodeID, content, ...boot, stillSeconds: Math.floor(stillMs / 1_000), time });
    }
  }
  const known = new Set([ownID, ...held, ...[...stillSlots, ...peers].map(({ nodeID }) => nodeID)]);
  for (const { spec } of sbdNodes) {
    if (watchedForMs !== null && !known.has(spec.nodeID)) {
      known.add(spec.nodeID);
      const stillSeconds = Math.floor(watchedForMs / 1_000);
      stale.push({ nodeID: spec.nodeID, content: "Empty", stillSeconds, time });
    }
  }
  return stale;
}

function isStaying({ metadata }: SBDNode): boolean {
  return metadata.deletionTimestamp === undefined;
}

function messageOf({
  life,
  trouble,
  watchdog,
  watchdogDevice,
  detectOnly,
  difference,
}: AgentStatus): string | null {
  if (life === "latched") return "this boot obeys a fence message and is about to end";
  if (life === "conflict") return `another agent beats in this slot: ${trouble ?? "see its log"}`;
  if (trouble !== null) return trouble;
  if (watchdog === "armed") {
    return difference === null ? null : `${difference}: this node lives by the device header`;
  }
  return detectOnly ? "detectOnly is set: this node cannot be fenced" : watchdogDevice.refusal;
}

function instant(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
