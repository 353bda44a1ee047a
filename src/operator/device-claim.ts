import type { SBDConfig } from "../api/sbd-config.ts";
import type { Judgement } from "./config-status.ts";
import type { KubeClaim, KubeDaemonSet } from "./kube-object.ts";
import { byAge } from "./node-slots.ts";
import type { Snapshot } from "./snapshot.ts";

/** How pods get at the device: as a block device, or as a directory of a shared filesystem. */
export type VolumeMode = "Block" | "Filesystem";

/** Condition `StorageReady`: whether the claim is one through which every node sees one device. */
export function judgeClaim(config: SBDConfig, snapshot: Snapshot): Judgement {
  const name = config.spec.sbdDevicePVCName;
  const other = otherUser(config, snapshot);
  if (other !== null) {
    return bad(
      "ClaimShared",
      `PersistentVolumeClaim ${name} is SBDConfig ${other.metadata.name}'s, which is older: one device ` +
        `serves one SBDConfig. Give this one a claim of its own`,
    );
  }
  const claim = claimOf(config, snapshot);
  if (claim === null) {
    return bad(
      "ClaimNotFound",
      `there is no PersistentVolumeClaim ${name} in the operator's namespace, so no agent can start. ` +
        `Create it there, with accessModes [ReadWriteMany]`,
    );
  }
  if (claim.metadata.deletionTimestamp !== undefined) {
    return bad(
      "ClaimDeleted",
      `PersistentVolumeClaim ${name} is being deleted and goes with the last pod that uses it: no agent ` +
        `can start any more`,
    );
  }
  const modes = claim.status?.accessModes ?? claim.spec?.accessModes ?? [];
  if (!modes.includes("ReadWriteMany")) {
    return claim.spec?.volumeMode === "Block"
      ? bad(
          "WrongAccessMode",
          `PersistentVolumeClaim ${name} has ${modes.join(", ")}: one node at a time could attach it. ` +
            `Create it anew with accessModes [ReadWriteMany]`,
        )
      : bad(
          "WrongVolumeMode",
          `PersistentVolumeClaim ${name} is a filesystem with ${modes.join(", ")}: one node at a time ` +
            `could mount it. Create it anew with volumeMode: Block and accessModes [ReadWriteMany], or ` +
            `as a ReadWriteMany claim of a shared filesystem`,
        );
  }
  const phase = claim.status?.phase ?? "Pending";
  return phase === "Bound"
    ? {
        type: "StorageReady",
        status: "True",
        reason: "ClaimBound",
        message: `PersistentVolumeClaim ${name} is bound, ${claim.spec?.volumeMode ?? "Filesystem"}, ReadWriteMany`,
      }
    : bad(
        phase === "Lost" ? "ClaimLost" : "ClaimNotBound",
        `PersistentVolumeClaim ${name} is ${phase}, so no agent can start. kubectl describe pvc ${name} ` +
          `tells what it waits for`,
      );
}

/**
 * As the claim has it. Where the claim is not there, what the agents have been given stays: a claim that
 * is missing for a while is no reason to start them all anew.
 */
export function volumeModeOf(config: SBDConfig, snapshot: Snapshot): VolumeMode {
  const claim = claimOf(config, snapshot);
  if (claim !== null) {
    return claim.spec?.volumeMode === "Block" ? "Block" : "Filesystem";
  }
  const agents = snapshot.daemonSets.find(
    ({ metadata }) => metadata.name === `sbd-agent-${config.metadata.name}`,
  );
  return agents !== undefined && mountsDevice(agents) ? "Filesystem" : "Block";
}

function claimOf({ spec }: SBDConfig, { claims }: Snapshot): KubeClaim | null {
  return claims.find(({ metadata }) => metadata.name === spec.sbdDevicePVCName) ?? null;
}

function mountsDevice({ spec }: KubeDaemonSet): boolean {
  const containers = spec?.template?.spec?.containers ?? [];
  return containers.some(({ volumeDevices = [] }) => volumeDevices.length === 0);
}

function otherUser(config: SBDConfig, { configs }: Snapshot): SBDConfig | null {
  const users = configs
    .filter(({ spec }) => spec.sbdDevicePVCName === config.spec.sbdDevicePVCName)
    .toSorted(byAge);
  const [oldest] = users;
  return oldest === undefined || oldest.metadata.name === config.metadata.name ? null : oldest;
}

function bad(reason: Judgement["reason"], message: string): Judgement {
  return { type: "StorageReady", status: "False", reason, message };
}
