import { judgeMachineIDs } from "./cloned-machines.ts";
import { fencerNameOf } from "../api/fencer-name.ts";
import type { SBDConfig } from "../api/sbd-config.ts";
import { TimingError, msgwaitArithmetic, type Timing } from "../timing/contract.ts";
import { type Action, type Manifest, presentOf } from "./action.ts";
import { agentPodTemplate, minReadySeconds } from "./agent-pod.ts";
import { keepUntilRemoved, removeConfig } from "./config-removal.ts";
import { configEvent, showConfig, type Judgement } from "./config-status.ts";
import { differencesOf, timingOf } from "./contract-in-force.ts";
import { judgeClaim, volumeModeOf, type VolumeMode } from "./device-claim.ts";
import { deviceOfAgents, prepareDevice } from "./device-init-job.ts";
import { judgeKubernetes } from "./kubernetes-version.ts";
import { isFencing, isReporting, type OperatorMemory } from "./memory.ts";
import { coveredNodes, owningConfig, reconcileSlots } from "./node-slots.ts";
import { CONFIG_LABEL, ownerOf } from "./pod-parts.ts";
import { slotsOfConfig, type Moment, type Snapshot } from "./snapshot.ts";
import { unarmedNodes } from "./unarmed-nodes.ts";

/** Where the operator runs. */
export type OperatorPlace = {
  readonly namespace: string;
  /** UID of namespace kube-system. */
  readonly clusterUID: string;
  /** As the API server told it at the operator's start. */
  readonly kubernetesVersion: string;
  /** Of agents, fencers and the Job that initialises the device, unless the config says otherwise. */
  readonly agentImage: string;
};

/** What an SBDConfig asks for: slots, the agents' DaemonSet, and a status that says how it stands. */
export function reconcileConfig(
  config: SBDConfig,
  snapshot: Snapshot,
  memory: OperatorMemory,
  moment: Moment,
  place: OperatorPlace,
): readonly Action[] {
  if (config.metadata.deletionTimestamp !== undefined) {
    return removeConfig(config, snapshot, memory, moment);
  }
  const kept = keepUntilRemoved(config);
  if (kept.length > 0) {
    return kept;
  }
  let timing: Timing;
  try {
    timing = timingOf(config, snapshot);
  } catch (error) {
    if (error instanceof TimingError) {
      const { message } = error;
      return showConfig(
        config,
        moment,
        [{ type: "Ready", status: "False", reason: "InvalidTiming", message }],
        {},
      );
    }
    throw error;
  }
  const manifest = agentDaemonSet(config, timing, volumeModeOf(config, snapshot), place);
  const present = snapshot.daemonSets.find(
    ({ metadata }) =>
      metadata.namespace === place.namespace && metadata.name === manifest.metadata.name,
  );
  const storage = judgeClaim(config, snapshot);
  const device = prepareDevice(config, snapshot, timing, place, storage);
  return [
    ...reconcileSlots(config, snapshot, memory, moment),
    ...device.actions,
    {
      type: "apply-daemon-set",
      manifest,
      present: present === undefined ? null : presentOf(present),
    },
    configEvent(
      config,
      "Normal",
      "DaemonSetManaged",
      `DaemonSet '${manifest.metadata.name}' for SBD Agent managed.`,
    ),
    ...reportConfig(config, snapshot, memory, moment, timing, [
      judgeKubernetes(place.kubernetesVersion),
      judgeMachineIDs(snapshot.nodes),
      judgeContract(config, snapshot),
      storage,
      device.judgement,
    ]),
  ];
}

/** `sbd-agent-<config>`, owned by the config and so collected with it. */
export function agentDaemonSet(
  config: SBDConfig,
  timing: Timing,
  mode: VolumeMode,
  place: OperatorPlace,
): Manifest {
  const name = `sbd-agent-${config.metadata.name}`;
  const labels = { app: "sbd-agent", [CONFIG_LABEL]: config.metadata.name };
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
      template: agentPodTemplate(config, timing, place, mode, labels),
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
  conditions: readonly Judgement[],
): readonly Action[] {
  const covered = coveredNodes(config, snapshot);
  const lost = covered.filter(
    ({ metadata }) => owningConfig(snapshot, metadata.name)?.metadata.name !== config.metadata.name,
  );
  const agents = slotsOfConfig(snapshot, config.metadata.name).filter((node) =>
    isReporting(memory, node, moment.nowMs),
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
        unarmedNodes(config, covered, snapshot, memory, moment.nowMs) +
        (hasFencer
          ? ""
          : `; no fencer of Deployment ${fencer} is at work, so no node can be fenced`);
  const judgement: Judgement = {
    type: "Ready",
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
  };
  const trouble = conditions.find(
    ({ type, status }) => status === "False" && (type === "StorageReady" || type === "DeviceReady"),
  );
  const shown: Judgement =
    areArmed || lost.length > 0 || trouble === undefined
      ? judgement
      : {
          ...judgement,
          reason: trouble.reason,
          message: `${trouble.message}; ${judgement.message}`,
        };
  return showConfig(config, moment, [shown, ...conditions], {
    nodes: covered.length,
    agentsReady: agents.length,
    agentsArmed: armed.length,
    deviceUUID: deviceOfAgents(config, snapshot),
    watchdogTimeoutSeconds: Math.floor(timing.watchdogMs / 1_000),
    boundSeconds: timing.msgwaitMs / 1_000,
  });
}

/** Whether the device header is what the SBDConfig asks for; the header counts either way. */
function judgeContract(config: SBDConfig, snapshot: Snapshot): Judgement {
  const differences = differencesOf(config, snapshot);
  return differences.length === 0
    ? {
        type: "ContractAgrees",
        status: "True",
        reason: "AsInTheDeviceHeader",
        message: "no agent has read another contract in the device header",
      }
    : {
        type: "ContractAgrees",
        status: "False",
        reason: "DeviceHeaderDiffers",
        message:
          `${differences.join("; ")}. The device header counts: agents live, and bounds are ` +
          `computed, by it. To change it, delete this SBDConfig, wait until it is gone, and create it ` +
          `anew with what you want`,
      };
}
