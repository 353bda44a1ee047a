import assert from "node:assert/strict";

import {
  OUT_OF_SERVICE_TAINT,
  REMEDIATION_FINALIZER,
  REMEDIATION_TAINT_KEY,
} from "../../api/remediation-names.ts";
import type { SBDRemediation } from "../../api/sbd-remediation.ts";
import type { Action } from "../action.ts";
import { bootIDOf, hasTaint, isReady, type KubeNode } from "../kube-object.ts";
import { nodeNamed, nodeNameOf, type Snapshot } from "../snapshot.ts";
import type { ApiModel } from "./api-model.ts";

/**
 * What no leader may ever write, whatever it believes: held against the snapshot it decided on and
 * against what the API server holds. To be asked right after the write went through.
 */
export function guardWrite(action: Action, decidedOn: Snapshot, api: ApiModel): void {
  if (action.type === "patch-remediation-status") {
    const before = decidedOn.remediations.find(
      ({ metadata }) => metadata.uid === action.target.uid,
    );
    assert.ok(before);
    guardStatus(before, action.status, decidedOn);
  }
  if (action.type === "set-taints") {
    guardOutOfService(action, decidedOn, api);
  }
}

function guardStatus(before: SBDRemediation, status: object, decidedOn: Snapshot): void {
  const { conditions, fencing } = status as SBDRemediation["status"];
  const known = before.status.conditions ?? [];
  for (const { type, status: was } of known) {
    const now = conditions?.find((condition) => condition.type === type)?.status;
    const isFinal =
      type === "Succeeded" ? was !== "Unknown" : type === "FencingSucceeded" && was === "True";
    assert.ok(conditions === undefined || now !== undefined, `${type} was lost`);
    assert.ok(
      conditions === undefined || !isFinal || now === was,
      `${type} went from ${was} to ${now}`,
    );
  }
  const holds = (type: string): boolean =>
    conditions?.some((condition) => condition.type === type && condition.status === "True") ??
    false;
  if (holds("FencingSucceeded") || holds("Succeeded")) {
    assert.ok(before.status.fencing?.evidence, "success without evidence");
  }
  const agent = fencing?.agent ?? "";
  if (agent !== "") {
    const node = nodeNamed(decidedOn, nodeNameOf(before) ?? "");
    assert.ok(node && hasTaint(node, REMEDIATION_TAINT_KEY), `${agent} named before the taint`);
    assert.ok(
      before.metadata.finalizers?.includes(REMEDIATION_FINALIZER),
      `${agent} named before the finalizer`,
    );
    assert.equal(before.metadata.deletionTimestamp, undefined, `${agent} named while deleting`);
    assert.notEqual(agent, nodeNameOf(before), "the target is to fence itself");
  }
}

function guardOutOfService(
  action: Action & { readonly type: "set-taints" },
  decidedOn: Snapshot,
  api: ApiModel,
): void {
  const before = nodeNamed(decidedOn, action.target.name);
  if (!action.taints.some(isOutOfService) || before?.spec?.taints?.some(isOutOfService) === true) {
    return;
  }
  const node = api.get("Node", action.target.name) as unknown as KubeNode;
  assert.ok(!isReady(node), `${action.target.name} is Ready and put out of service`);
  const dead = decidedOn.remediations
    .filter((remediation) => nodeNameOf(remediation) === action.target.name)
    .map(({ status }) => status.fencing?.evidence?.bootID);
  assert.ok(
    dead.includes(bootIDOf(node)),
    `${action.target.name} put out of service, its boot not dead`,
  );
}

function isOutOfService({ key }: { readonly key: string }): boolean {
  return key === OUT_OF_SERVICE_TAINT.key;
}
