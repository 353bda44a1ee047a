import type { Condition } from "../api/condition.ts";
import { fencerNameOf } from "../api/fencer-name.ts";
import type { SBDConfig } from "../api/sbd-config.ts";
import { TimingError, msgwaitArithmetic, type Timing } from "../timing/contract.ts";
import { type Action, type Manifest, targetOf } from "./action.ts";
import { agentPodTemplate, minReadySeconds } from "./agent-pod.ts";
import { isFencing, isReporting, type OperatorMemory } from "./memory.ts";
import { coveredNodes, owningConfig, reconcileSlots } from "./node-slots.ts";
import { ownerOf } from "./pod-parts.ts";
import { timingOf, type Moment, type Snapshot } from "./snapshot.ts";

/** Where the operator runs, and which image its agents have unless the config says otherwise. */
export type OperatorPlace = { readonly namespace: string; readonly agentImage: string };

/** What an SBDConfig asks for: slots, the agents' DaemonSet, and a status that says how it stands. */
export function reconcileConfig(
  config: SBDConfig,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
  place: OperatorPlace,
): readonly Action[] {
  if (config.metadata.deletionTimestamp !== undefined) {
    return [];
  }
  let timing: Timing;
  try {
    timing = timingOf(config);
  } catch (error) {
    if (error instanceof TimingError) {
      return showConfig(
        config,
        moment,
        { status: "False", reason: "InvalidTiming", message: error.message },
        {},
      );
    }
    throw error;
  }
  const manifest = agentDaemonSet(config, timing, place);
  const present = snapshot.daemonSets.some(
    ({ metadata }) =>
      metadata.namespace === place.namespace && metadata.name === manifest.metadata.name,
  );
  return [
    ...reconcileSlots(config, snapshot, memory, moment),
    { type: "apply-daemon-set", manifest, present },
    ...(present ? [] : [managed(config, manifest.metadata.name)]),
    ...reportConfig(config, snapshot, memory, moment, timing),
  ];
}

/** `sbd-agent-<config>`, owned by the config and so collected with it. */
export function agentDaemonSet(config: SBDConfig, timing: Timing, place: OperatorPlace): Manifest {
  const name = `sbd-agent-${config.metadata.name}`;
  const labels = { app: "sbd-agent", "medik8s.io/sbdconfig": config.metadata.name };
  const manifest = {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: {
      name,
      namespace: place.namespace,
      labels,
      ownerReferences: [ownerOf(config)],
    },
    spec: {
      selector: { matchLabels: labels },
      minReadySeconds: minReadySeconds(timing),
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      template: agentPodTemplate(config, timing, config.spec.image ?? place.agentImage, labels),
    },
  };
  return manifest;
}

function reportConfig(
  config: SBDConfig,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
  timing: Timing,
): readonly Action[] {
  const covered = coveredNodes(config, snapshot);
  const lost = covered.filter(
    ({ metadata }) => owningConfig(snapshot, metadata.name)?.metadata.name !== config.metadata.name,
  );
  const agents = snapshot.sbdNodes.filter(
    (node) =>
      node.spec.configName === config.metadata.name && isReporting(memory, node, moment.nowMs),
  );
  const armed = agents.filter(({ status }) => status.armed === true);
  const fencer = fencerNameOf(config.metadata.name);
  const hasFencer =
    config.spec.fencerPlacement !== "Operator" || isFencing(memory, fencer, moment.nowMs);
  const areArmed = armed.length === covered.length && covered.length > 0;
  const ready = lost.length === 0 && areArmed && hasFencer;
  const why =
    lost.length > 0
      ? `${lost.length} node(s) belong to an older SBDConfig: ${lost.map(({ metadata }) => metadata.name).join(", ")}`
      : `${armed.length} of ${covered.length} nodes are armed` +
        (hasFencer
          ? ""
          : `; no fencer of Deployment ${fencer} is at work, so no node can be fenced`);
  return showConfig(
    config,
    moment,
    {
      status: ready ? "True" : "False",
      reason:
        lost.length > 0
          ? "NodesOfOtherConfig"
          : ready
            ? "AllNodesArmed"
            : areArmed
              ? "NoFencer"
              : "NodesNotArmed",
      message: `${why}; ${msgwaitArithmetic(timing)}`,
    },
    {
      nodes: covered.length,
      agentsReady: agents.length,
      agentsArmed: armed.length,
      watchdogTimeoutSeconds: Math.floor(timing.watchdogMs / 1_000),
      boundSeconds: timing.msgwaitMs / 1_000,
    },
  );
}

function showConfig(
  config: SBDConfig,
  moment: Moment,
  ready: Pick<Condition, "status" | "reason" | "message">,
  numbers: Readonly<Record<string, number>>,
): readonly Action[] {
  const { status } = config;
  const known = status.conditions?.find(({ type }) => type === "Ready");
  const unchanged =
    known?.status === ready.status &&
    known.reason === ready.reason &&
    known.message === ready.message &&
    status.observedGeneration === config.metadata.generation &&
    Object.entries(numbers).every(
      ([field, value]) => status[field as keyof typeof status] === value,
    );
  if (unchanged) {
    return [];
  }
  const condition: Condition = {
    type: "Ready",
    ...ready,
    lastTransitionTime: known?.status === ready.status ? known.lastTransitionTime : moment.wall,
  };
  const { name, uid = "" } = config.metadata;
  const isNew = status.observedGeneration !== config.metadata.generation;
  return [
    {
      type: "patch-config-status",
      target: targetOf(config),
      status: {
        ...numbers,
        observedGeneration: config.metadata.generation,
        message: ready.message,
        lastUpdateTime: moment.wall,
        conditions: [
          ...(status.conditions ?? []).filter(({ type }) => type !== "Ready"),
          condition,
        ],
      },
    },
    ...(isNew
      ? [
          {
            type: "event" as const,
            about: { apiVersion: config.apiVersion, kind: config.kind, name, uid },
            eventType: "Normal" as const,
            reason: "SBDConfigReconciled" as const,
            message: `SBDConfig '${name}' successfully reconciled.`,
          },
        ]
      : []),
  ];
}

function managed(config: SBDConfig, daemonSetName: string): Action {
  const { name, uid = "" } = config.metadata;
  return {
    type: "event",
    about: { apiVersion: config.apiVersion, kind: config.kind, name, uid },
    eventType: "Normal",
    reason: "DaemonSetManaged",
    message: `DaemonSet '${daemonSetName}' for SBD Agent managed.`,
  };
}
