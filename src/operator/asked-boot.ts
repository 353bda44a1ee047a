import type { SBDRemediation } from "../api/sbd-remediation.ts";
import type { Action } from "./action.ts";
import { bootIDOf, isReady, isSilent, type KubeNode } from "./kube-object.ts";
import type { OperatorMemory } from "./memory.ts";
import { showMoment } from "./remediation-status.ts";
import type { Moment, Snapshot } from "./snapshot.ts";
import { statusText } from "./status-text.ts";

/*
 * A request is about one boot, the one that the Node told when it was accepted: a node that has rebooted since
 * may be well, and is not ended for what its predecessor was.
 */

/** Since its kubelet has told it. */
const BOOT_READY_WITHIN_MS = 60_000;

/** The one that the Node told when this leader first saw the request: it may come to accept it late. */
export function bootAskedFor(
  { metadata }: SBDRemediation,
  node: KubeNode,
  memory: OperatorMemory,
): string {
  return memory.requests.get(metadata.uid ?? "")?.firstToldBootID || bootIDOf(node);
}

/**
 * The boot that it is about was proven dead for another request for the same Node. What was proven holds on: as
 * long as any request stands NoExecute does too, so no later boot was given the dead one's work.
 */
export function provenByAnother(
  remediation: SBDRemediation,
  node: KubeNode,
  snapshot: Snapshot,
  moment: Moment,
): readonly Action[] | null {
  const { nodeUID, nodeBootID, fencing } = remediation.status;
  const proven = snapshot.remediations.find(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined &&
      status.nodeUID === nodeUID &&
      status.fencing?.evidence !== undefined &&
      status.fencing.evidence.bootID === nodeBootID,
  );
  const evidence = proven?.status.fencing?.evidence;
  // A Node that was registered anew came without the taint.
  if (proven === undefined || evidence === undefined || nodeUID !== node.metadata.uid) {
    return null;
  }
  const { namespace = "", name } = proven.metadata;
  // What the fencer had read stays with the request that it was read for.
  const { observations: _, ...told } = evidence;
  const detail = statusText(`proven for SBDRemediation ${namespace}/${name}: ${evidence.detail}`);
  const message = `boot ${nodeBootID} was proven dead for SBDRemediation ${namespace}/${name}`;
  return showMoment(remediation, "started", message, moment.wall, {
    fencing: {
      agent: fencing?.agent ?? "",
      state: "Proven",
      evidence: { ...told, detail },
      missing: null,
      unfencable: null,
      reason: null,
    },
  });
}

export type AfterReboot =
  | { readonly kind: "wait" | "fail"; readonly message: string }
  | { readonly kind: "ask-anew"; readonly bootID: string; readonly message: string };

/**
 * The Node tells another boot than the one that this is about: the operator or a fencer has heard of the request
 * late, or the node has rebooted under the message. A boot that is well is not ended for its predecessor, and one
 * that has just begun is given time to be; one whose kubelet is silent, or that is not Ready in that time, is
 * what this is about from now on. Null: nothing of that kind, or a message stands that may yet prove its death.
 */
export function afterReboot(
  remediation: SBDRemediation,
  node: KubeNode,
  boundMs: number,
  memory: OperatorMemory,
  nowMs: number,
): AfterReboot | null {
  const { nodeBootID = "", fencing } = remediation.status;
  const bootID = bootIDOf(node);
  if (nodeBootID === "" || bootID === "" || nodeBootID === bootID) {
    return null;
  }
  const known = memory.requests.get(remediation.metadata.uid ?? "");
  const sinceMs = nowMs - (known?.told.sinceMs ?? nowMs);
  const durableForMs = nowMs - (known?.durable?.sinceMs ?? -Infinity);
  const what = `the Node has rebooted: boot ${nodeBootID} was asked for, and boot ${bootID} runs`;
  const isWell = isReady(node);
  if (isSilent(node) || (!isWell && sinceMs >= BOOT_READY_WITHIN_MS)) {
    return { kind: "ask-anew", bootID, message: `${what} and is not Ready: it is asked for now` };
  }
  if (isWell && Math.min(sinceMs, durableForMs) >= 2 * boundMs) {
    const message = `${what}, Ready: it is not ended for its predecessor. Ask again if it is to be`;
    return { kind: "fail", message };
  }
  if (fencing?.state === "Writing" || fencing?.state === "Durable") {
    return null;
  }
  const message = `${what}; it is not ended for its predecessor while it is Ready or may become so`;
  return { kind: "wait", message };
}
