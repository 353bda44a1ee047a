import { OUT_OF_SERVICE_TAINT, REMEDIATION_TAINT_KEY } from "../api/remediation-names.ts";
import type { RemediationStrategy } from "../api/sbd-remediation.ts";
import { type Action, targetOf } from "./action.ts";
import {
  bootIDOf,
  claimsOf,
  hasEnded,
  isEvicted,
  isReady,
  type KubeNode,
  type KubePod,
  type KubeVolumeAttachment,
} from "./kube-object.ts";
import { removeTaint, taintOutOfService } from "./node-taints.ts";
import type { Snapshot } from "./snapshot.ts";

/** What is left on a node that was proven dead. */
export type Release = {
  readonly released: boolean;
  readonly actions: readonly Action[];
  /** For the status; empty once released. */
  readonly detail: string;
};

/**
 * Lets the dead boot's work go: the pods that NoExecute evicts and the attachments of their volumes are
 * to be gone. The pods are deleted at once: left to the taint alone they wait for the garbage collector's
 * next round. The out-of-service taint force-detaches even mounted volumes, so it is set only while
 * the Node still shows the boot proven dead, never on a Ready node, and goes as soon as the boot has
 * changed: a later boot's kubelet may have started the same pods again.
 */
export function releaseWork(
  snapshot: Snapshot,
  node: KubeNode,
  deadBootID: string,
  strategy: RemediationStrategy,
  wall: string,
): Release {
  if (strategy === "None") {
    return { released: true, actions: [], detail: "" };
  }
  const stillDead = bootIDOf(node) === deadBootID && !isReady(node);
  const pods = snapshot.pods.filter(
    (pod) => pod.spec?.nodeName === node.metadata.name && isEvicted(pod, REMEDIATION_TAINT_KEY),
  );
  const attachments = attachmentsToGo(snapshot, node.metadata.name);
  const released = pods.length === 0 && attachments.length === 0;
  const useTaint = stillDead && strategy !== "ResourceDeletion";
  const actions = released
    ? []
    : useTaint
      ? [...taintOutOfService(node, wall), ...deletePods(pods, stillDead)]
      : [...clearOutOfService(node, deadBootID), ...deletePods(pods, stillDead)];
  return {
    released,
    actions,
    detail: released
      ? ""
      : `the node is dead; ${pods.length} pod(s) and ${attachments.length} volume attachment(s) ` +
        `are to be released`,
  };
}

/** As soon as the Node shows another boot than the one proven dead. */
export function clearOutOfService(node: KubeNode, deadBootID: string): Action[] {
  return bootIDOf(node) === deadBootID ? [] : removeTaint(node, OUT_OF_SERVICE_TAINT.key);
}

/** Of a dead kubelet nobody will confirm the end; a living one ends its pods in order. */
function deletePods(pods: readonly KubePod[], stillDead: boolean): Action[] {
  return pods.flatMap((pod): Action[] =>
    isEnding(pod, stillDead)
      ? []
      : [{ type: "delete-pod", target: targetOf(pod), graceSeconds: stillDead ? 0 : null }],
  );
}

/** What has no grace left is held by a finalizer alone, and not deleted again. */
function isEnding({ metadata }: KubePod, stillDead: boolean): boolean {
  return (
    metadata.deletionTimestamp !== undefined &&
    (!stillDead || metadata.deletionGracePeriodSeconds === 0)
  );
}

/**
 * The node's attachments but those of volumes that a pod uses which stays, such as the shared device
 * and what a DaemonSet mounts: nobody detaches them. What belongs to no pod any more, Kubernetes does.
 */
function attachmentsToGo(snapshot: Snapshot, nodeName: string): readonly KubeVolumeAttachment[] {
  const staying = new Set(
    snapshot.pods
      .filter(
        (pod) =>
          pod.spec?.nodeName === nodeName &&
          !hasEnded(pod) &&
          !isEvicted(pod, REMEDIATION_TAINT_KEY),
      )
      .flatMap((pod) => claimsOf(pod)),
  );
  const kept = new Set(
    snapshot.persistentVolumes
      .filter(({ spec }) =>
        staying.has(`${spec?.claimRef?.namespace ?? ""}/${spec?.claimRef?.name ?? ""}`),
      )
      .map(({ metadata }) => metadata.name),
  );
  return snapshot.volumeAttachments.filter(({ spec }) => {
    const volume = spec?.source?.persistentVolumeName;
    return spec?.nodeName === nodeName && volume !== undefined && !kept.has(volume);
  });
}
