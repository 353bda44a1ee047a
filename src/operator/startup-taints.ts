import { UNPROTECTED_TAINT } from "../api/remediation-names.ts";
import { type Action, targetOf } from "./action.ts";
import { bootIDOf, hasTaint, type KubeNode } from "./kube-object.ts";
import { byAge, coveredNodes } from "./node-slots.ts";
import { removeTaint } from "./node-taints.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Keeps new pods off every node of an SBDConfig with `startupTaint` until the node's agent is armed in
 * the boot that its kubelet has told, so that no work starts where it could not be fenced. What runs
 * stays. The taint goes with the SBDConfig, with the field, and from a node that is no longer covered.
 */
export function reconcileStartupTaints(snapshot: Snapshot): readonly Action[] {
  const { key, effect } = UNPROTECTED_TAINT;
  const unprotected = unprotectedNodes(snapshot);
  return snapshot.nodes.flatMap((node): readonly Action[] => {
    if (!unprotected.has(node.metadata.name)) return removeTaint(node, key);
    const taints = node.spec?.taints ?? [];
    return hasTaint(node, key, effect)
      ? []
      : [{ type: "set-taints", target: targetOf(node), taints: [...taints, UNPROTECTED_TAINT] }];
  });
}

/** A node belongs to the oldest SBDConfig that covers it; with detectOnly it would never be armed. */
function unprotectedNodes(snapshot: Snapshot): ReadonlySet<string> {
  const configs = snapshot.configs.filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  );
  const unprotected = new Set<string>();
  if (!configs.some(({ spec }) => spec.startupTaint)) return unprotected;
  const decided = new Set<string>();
  for (const config of configs.toSorted(byAge)) {
    const armed = armedBoots(config.metadata.name, snapshot);
    for (const node of coveredNodes(config, snapshot)) {
      const { name } = node.metadata;
      const waits = config.spec.startupTaint && !config.spec.detectOnly && !isArmed(node, armed);
      if (!decided.has(name) && waits) unprotected.add(name);
      decided.add(name);
    }
  }
  return unprotected;
}

function armedBoots(configName: string, { sbdNodes }: Snapshot): ReadonlyMap<string, string> {
  return new Map(
    sbdNodes
      .filter(({ spec, status }) => spec.configName === configName && status.armed === true)
      .map(({ spec, status }) => [spec.nodeName, status.bootID ?? ""]),
  );
}

function isArmed(node: KubeNode, armed: ReadonlyMap<string, string>): boolean {
  const boot = armed.get(node.metadata.name) ?? "";
  return boot !== "" && boot === bootIDOf(node);
}
