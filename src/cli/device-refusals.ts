import type { DeviceHeader } from "../protocol/device-header.ts";
import { deriveTiming, seconds, TimingError, type TimingContract } from "../timing/contract.ts";
import { NIL_UUID, whyNotOwned, type DeviceOwner } from "../timing/device-agreement.ts";
import { wallTime } from "./device-show.ts";
import type { DeviceSurvey } from "./device-survey.ts";
import { printable } from "./text-table.ts";

/**
 * Why a device is not initialised without `--force`.
 *
 * - `FOREIGN`         it holds somebody else's data
 * - `GO_MESSAGES`     agents of the original Go package have written it
 * - `INITIALISED`     it has a device header
 * - `NO_OWNER`        for an SBDConfig: its header names none, and no cluster
 * - `OTHER_CONFIG`    for an SBDConfig: it belongs to another one of this cluster
 * - `OTHER_CLUSTER`   for an SBDConfig: it belongs to another cluster
 * - `DAMAGED_HEADER`  it has a device header that cannot be read
 * - `LIVE`            somebody writes to it now
 * - `LOCAL_STORAGE`   for an SBDConfig: it is a filesystem that one machine has mounted
 */
export type Refusal = {
  readonly code:
    | "FOREIGN"
    | "GO_MESSAGES"
    | "INITIALISED"
    | "NO_OWNER"
    | "OTHER_CONFIG"
    | "OTHER_CLUSTER"
    | "DAMAGED_HEADER"
    | "LIVE"
    | "LOCAL_STORAGE";
  readonly message: string;
};

/** The SBDConfig that a device is initialised for. */
export type ClusterClaim = DeviceOwner & {
  /**
   * UIDs of the cluster's other SBDConfigs. The device of one that is not among them, of this cluster,
   * was left by an SBDConfig that is deleted. Null: nobody has said, so any may still exist.
   */
  readonly livingConfigUIDs: readonly string[] | null;
};

/** Everything but `LIVE`, which takes a longer look. */
export function refusalsOf(
  path: string,
  { header, heartbeats, fences }: DeviceSurvey,
  signature: string | null,
  claim: ClusterClaim | null,
): Refusal[] {
  if (header.kind === "header" && claim !== null) {
    return refusalsFor(path, header.header, claim);
  }
  if (header.kind === "header") {
    return [{ code: "INITIALISED", message: alreadyInitialised(path, header.header) }];
  }
  if (header.kind === "unreadable" && header.code !== "BAD_MAGIC") {
    return [
      {
        code: "DAMAGED_HEADER",
        message:
          `${path} has a device header that cannot be read (${header.detail}), so it may belong to a ` +
          `cluster whose nodes would reset themselves. Find out whose it is before --force.`,
      },
    ];
  }
  const messages = [...heartbeats.values(), ...fences.values()].some(
    ({ kind }) => kind !== "unreadable" && kind !== "empty",
  );
  if (messages) {
    return [
      {
        code: "GO_MESSAGES",
        message:
          `${path} holds heartbeats or fence messages and no device header: agents of the original ` +
          `Go package have written it. Stop them on every node, then use --force.`,
      },
    ];
  }
  return signature === null && heartbeats.size === 0 && fences.size === 0
    ? []
    : [
        {
          code: "FOREIGN",
          message:
            `${path} already holds ${signature ?? "unknown data"}, which would be destroyed. If this ` +
            `is the right volume and its content is not needed, use --force.`,
        },
      ];
}

/** Of a device with a header, to be initialised for an SBDConfig; none where it was left by a deleted one. */
function refusalsFor(path: string, header: DeviceHeader, claim: ClusterClaim): Refusal[] {
  const why = whyNotOwned(header, claim);
  if (why === null) {
    return [{ code: "INITIALISED", message: alreadyInitialised(path, header) }];
  }
  if (header.configUID === NIL_UUID || header.clusterUID === NIL_UUID) {
    return [{ code: "NO_OWNER", message: `${why}.` }];
  }
  if (header.clusterUID !== claim.clusterUID) {
    return [{ code: "OTHER_CLUSTER", message: `${why}.` }];
  }
  const { livingConfigUIDs } = claim;
  return livingConfigUIDs !== null && !livingConfigUIDs.includes(header.configUID)
    ? []
    : [{ code: "OTHER_CONFIG", message: `${why}.` }];
}

/** Whether somebody may be beating on it: only then is it worth a longer look. */
export function mayBeLive(refusals: readonly Refusal[], { heartbeats }: DeviceSurvey): boolean {
  return heartbeats.size > 0 && !refusals.some(({ code }) => code === "FOREIGN");
}

/** M of the device as it is, else of what it is to become: nobody who lives is silent for longer. */
export function longestSilenceMs(survey: DeviceSurvey, planned: TimingContract): number {
  const { header, heartbeats } = survey;
  const own = header.kind === "header" ? msgwaitOf(header.header) : null;
  const base = own ?? deriveTiming(planned).msgwaitMs;
  return [...heartbeats.values()].reduce((longest, slot) => {
    const theirs = slot.kind === "heartbeat" ? msgwaitOf(slot.record) : null;
    return Math.max(longest, theirs ?? 0);
  }, base);
}

/** Null for a contract no agent of ours lives by. */
function msgwaitOf(contract: TimingContract): number | null {
  try {
    return deriveTiming(contract).msgwaitMs;
  } catch (error) {
    if (error instanceof TimingError) {
      return null;
    }
    throw error;
  }
}

function alreadyInitialised(path: string, header: DeviceHeader): string {
  const cluster =
    header.clusterName === ""
      ? "a cluster without a name"
      : `cluster '${printable(header.clusterName)}'`;
  return (
    `${path} was initialised for ${cluster} at ${wallTime(String(header.createdNs))} (generation ` +
    `${header.generation}, UUID ${header.deviceUUID}, T = ${seconds(header.timeoutMs)}, W = ` +
    `${seconds(header.watchdogMs)}). Its armed nodes would lose their device and reset. Stop the ` +
    `agents on every node, then use --force.`
  );
}
