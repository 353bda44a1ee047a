import { NODE_NAME_ANNOTATION, REMEDIATION_FINALIZER } from "./remediation-names.ts";
import { fieldAt, listAt, textAt, type KubeObject } from "../kube/kube-object.ts";

/*
 * What an SBDRemediation says, read field by field: one that does not parse as a whole may be about
 * this node all the same, and a request that is overlooked lets a condemned node live.
 */

/** Anything in it names the node: annotation, spec, status, or its own name. */
function namesNode(request: KubeObject, nodeName: string): boolean {
  return [
    request.metadata.annotations?.[NODE_NAME_ANNOTATION],
    request.metadata.name,
    textAt(request, "spec", "nodeName"),
    textAt(request, "status", "nodeName"),
  ].includes(nodeName);
}

/** Without our finalizer no message was written for it, or none is needed any more. */
export function hasFinalizer(request: KubeObject): boolean {
  return request.metadata.finalizers?.includes(REMEDIATION_FINALIZER) === true;
}

/** True or False, for good: no proof is recorded for it any more. */
export function isDecided(request: KubeObject): boolean {
  return ["True", "False"].includes(conditionStatus(request, "Succeeded"));
}

/** Something may still be done for it, or undone. */
export function isInHand(request: KubeObject): boolean {
  return !isDecided(request) || request.metadata.deletionTimestamp !== undefined;
}

/** A proof of death is recorded. */
export function isProven(request: KubeObject): boolean {
  return (
    fieldAt(request, "status", "fencing", "evidence") !== undefined ||
    conditionStatus(request, "FencingSucceeded") === "True"
  );
}

/**
 * The request may still have this boot taken for dead, or has: a vouching read that shows one vouches
 * for nothing. A proof about another boot is no concern of this one, and a decided request is never
 * proven any more: proof and decision are written at the version they were judged by.
 */
export function isOpenAgainst(request: KubeObject, nodeName: string, bootID: string): boolean {
  if (!hasFinalizer(request) || !namesNode(request, nodeName)) {
    return false;
  }
  if (isProven(request)) {
    const proven = textAt(request, "status", "fencing", "evidence", "bootID");
    return proven === "" || proven === bootID;
  }
  return !isDecided(request);
}

/** The request may still want a message in the fence slot of its node. */
export function wantsMessage(request: KubeObject): boolean {
  return (
    hasFinalizer(request) &&
    request.metadata.deletionTimestamp === undefined &&
    !isDecided(request) &&
    !isProven(request)
  );
}

/** What a list of requests shows for the fence slot of a node. */
export function openRequestsFor(
  requests: readonly KubeObject[],
  nodeName: string,
): { readonly openRequestUIDs: readonly string[]; readonly epochFloor: number } {
  const named = requests.filter((request) => namesNode(request, nodeName));
  return {
    openRequestUIDs: named.filter(wantsMessage).map(({ metadata }) => metadata.uid ?? ""),
    epochFloor: Math.max(0, ...named.map(recordedEpoch)),
  };
}

/** `status.fencing.agent`; empty where none is named. */
export function namedAgent(request: KubeObject): string {
  return textAt(request, "status", "fencing", "agent");
}

/** `status.fencing.epoch`; 0 where none was recorded. */
export function recordedEpoch(request: KubeObject): number {
  const epoch = fieldAt(request, "status", "fencing", "epoch");
  return typeof epoch === "number" ? epoch : 0;
}

function conditionStatus(request: KubeObject, type: string): string {
  const found = listAt(request, "status", "conditions").find(
    (condition) => textAt(condition, "type") === type,
  );
  return textAt(found, "status");
}
