import {
  CONFIG_FINALIZER,
  NODE_SLOT_FINALIZER,
  REMEDIATION_FINALIZER,
  REMEDIATION_TAINT_KEY,
  UNPROTECTED_TAINT,
  STORAGE_UNHEALTHY_CONDITION,
} from "../api/remediation-names.ts";
import type { SBDConfig } from "../api/sbd-config.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import { type Action, targetOf } from "./action.ts";
import { showConfig } from "./config-status.ts";
import { isFencerPod } from "./fencer-deployment.ts";
import { hasTaint } from "./kube-object.ts";
import { isReporting, type OperatorMemory } from "./memory.ts";
import { nodeNamed, nodeNameOf, slotsOfConfig, type Moment, type Snapshot } from "./snapshot.ts";
import { firstOf } from "./status-text.ts";
import { isAgentPod } from "./unarmed-nodes.ts";

/** An SBDConfig stays until all that was made for it is gone; nothing is made for it before that is so. */
export function keepUntilRemoved(config: SBDConfig): readonly Action[] {
  const { finalizers = [] } = config.metadata;
  return finalizers.includes(CONFIG_FINALIZER)
    ? []
    : [
        {
          type: "set-config-finalizers",
          target: targetOf(config),
          finalizers: [...finalizers, CONFIG_FINALIZER],
        },
      ];
}

/**
 * What a deleted SBDConfig leaves is nothing, in this order: requests for its nodes end, as only agents
 * can take their messages back; agents leave in order, each releasing its watchdog, and fencers go; then
 * its nodes' conditions and its SBDNodes go, and with its finalizer the SBDConfig. Taints go with the
 * requests. It waits at each step for as long as that takes, and says for what.
 */
export function removeConfig(
  config: SBDConfig,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
): readonly Action[] {
  const { finalizers = [] } = config.metadata;
  if (!finalizers.includes(CONFIG_FINALIZER)) {
    return [];
  }
  const slots = slotsOfConfig(snapshot, config.metadata.name);
  const nodeNames = new Set(slots.map(({ spec }) => spec.nodeName));
  const requests = requestsFor(nodeNames, snapshot);
  if (requests.length > 0) {
    return waitFor(
      config,
      moment,
      `SBDRemediations ${firstOf(requests)}: they end, or are deleted, while agents still run`,
    );
  }
  const workloads = deleteWorkloads(config, snapshot);
  const agents = agentsOf(config, slots, snapshot, memory, moment.nowMs);
  if (agents.length > 0) {
    return [
      ...workloads,
      ...waitFor(
        config,
        moment,
        `agents and fencers to leave: ${firstOf(agents)}. One on a node that is lost leaves when the node ` +
          `is back; where that never happens, delete the Node, or its pod with --force`,
      ),
    ];
  }
  const marks = removeConditions(config, snapshot);
  const tainted = snapshot.nodes
    .filter(
      (node) =>
        nodeNames.has(node.metadata.name) &&
        (hasTaint(node, REMEDIATION_TAINT_KEY) || hasTaint(node, UNPROTECTED_TAINT.key)),
    )
    .map(({ metadata }) => metadata.name);
  if (marks.length > 0 || tainted.length > 0) {
    return [...workloads, ...marks];
  }
  if (slots.length > 0) {
    return [...workloads, ...slots.flatMap(releaseSlot)];
  }
  return [
    ...workloads,
    {
      type: "set-config-finalizers",
      target: targetOf(config),
      finalizers: finalizers.filter((finalizer) => finalizer !== CONFIG_FINALIZER),
    },
  ];
}

function requestsFor(
  nodeNames: ReadonlySet<string>,
  { remediations }: Snapshot,
): readonly string[] {
  return remediations
    .filter(
      (remediation) =>
        remediation.metadata.finalizers?.includes(REMEDIATION_FINALIZER) === true &&
        nodeNames.has(nodeNameOf(remediation) ?? ""),
    )
    .map(({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name}`);
}

/** Deleted rather than left to be collected: the SBDConfig waits for their pods. */
function deleteWorkloads(config: SBDConfig, snapshot: Snapshot): readonly Action[] {
  const { daemonSets, fencerDeployments, jobs } = snapshot;
  const ours = <Held extends { readonly metadata: KubeOwned }>(objects: readonly Held[]): Held[] =>
    objects.filter(
      ({ metadata }) =>
        metadata.deletionTimestamp === undefined &&
        metadata.ownerReferences?.some(({ uid }) => uid === config.metadata.uid) === true,
    );
  return [
    ...ours(daemonSets).map((found): Action => ({
      type: "delete-daemon-set",
      target: targetOf(found),
    })),
    ...ours(fencerDeployments).map((found): Action => ({
      type: "delete-deployment",
      target: targetOf(found),
    })),
    ...ours(jobs).map((found): Action => ({ type: "delete-job", target: targetOf(found) })),
  ];
}

type KubeOwned = {
  readonly deletionTimestamp?: string | undefined;
  readonly ownerReferences?: readonly { readonly uid: string }[] | undefined;
};

/**
 * Pods that are not gone, on Nodes that are not, and agents that reported lately, be it that they leave:
 * what they said last is not to bring a condition back.
 */
function agentsOf(
  config: SBDConfig,
  slots: readonly SBDNode[],
  snapshot: Snapshot,
  memory: OperatorMemory,
  nowMs: number,
): readonly string[] {
  const { name } = config.metadata;
  const pods = snapshot.pods
    .filter((pod) => isAgentPod(pod, name) || isFencerPod(pod, name))
    .map(({ metadata, spec }) => ({ pod: metadata.name, node: spec?.nodeName ?? "" }))
    .filter(({ node }) => node === "" || nodeNamed(snapshot, node) !== null);
  const reporting = slots
    .filter((slot) => isReporting(memory, slot, nowMs))
    .map(({ spec }) => spec.nodeName);
  return [
    ...new Set([...pods.map(({ pod, node }) => (node === "" ? pod : node)), ...reporting]),
  ].toSorted();
}

/** From all nodes but those of other SBDConfigs, so also from nodes that lost their slot before. */
function removeConditions(
  { metadata }: SBDConfig,
  { nodes, sbdNodes }: Snapshot,
): readonly Action[] {
  const others = new Set(
    sbdNodes
      .filter(({ spec }) => spec.configName !== metadata.name)
      .map(({ spec }) => spec.nodeName),
  );
  return nodes
    .filter(
      (node) =>
        !others.has(node.metadata.name) &&
        node.status?.conditions?.some(({ type }) => type === STORAGE_UNHEALTHY_CONDITION) === true,
    )
    .map((node) => ({
      type: "set-node-conditions",
      target: targetOf(node),
      conditions: (node.status?.conditions ?? []).filter(
        ({ type }) => type !== STORAGE_UNHEALTHY_CONDITION,
      ),
    }));
}

/** The next SBDConfig on this device initialises it anew, so a slot needs no clearing. */
function releaseSlot(node: SBDNode): readonly Action[] {
  const { deletionTimestamp, finalizers = [] } = node.metadata;
  if (deletionTimestamp === undefined) {
    return [{ type: "delete-sbd-node", target: targetOf(node) }];
  }
  return finalizers.includes(NODE_SLOT_FINALIZER)
    ? [
        {
          type: "set-sbd-node-finalizers",
          target: targetOf(node),
          finalizers: finalizers.filter((finalizer) => finalizer !== NODE_SLOT_FINALIZER),
        },
      ]
    : [];
}

function waitFor(config: SBDConfig, moment: Moment, what: string): readonly Action[] {
  const message = `this SBDConfig is being removed and waits for ${what}`;
  return showConfig(
    config,
    moment,
    [{ type: "Ready", status: "False", reason: "Removing", message }],
    {},
  );
}
