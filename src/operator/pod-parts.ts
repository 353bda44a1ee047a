import { API_VERSION } from "../api/group.ts";
import { UNPROTECTED_TAINT } from "../api/remediation-names.ts";
import { SBD_CONFIG, type SBDConfig } from "../api/sbd-config.ts";
import type { OperatorPlace } from "./config.ts";
import { askedContract } from "./contract-in-force.ts";
import type { DeviceVolume } from "./device-volume.ts";

/** On everything that is made for an SBDConfig: its name. */
export const CONFIG_LABEL = "medik8s.io/sbdconfig";

/** What makes an object go when its SBDConfig goes. */
export function ownerOf({ metadata }: SBDConfig): Readonly<Record<string, unknown>> {
  return {
    apiVersion: API_VERSION,
    kind: SBD_CONFIG.kind,
    name: metadata.name,
    uid: metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/**
 * Of pods that may run on any node that works, also on one that no agent guards yet: without them none
 * ever would.
 */
export function toleratingControlPlane(): readonly unknown[] {
  return [
    { key: "node-role.kubernetes.io/control-plane", operator: "Exists", effect: "NoSchedule" },
    { key: UNPROTECTED_TAINT.key, operator: "Exists", effect: UNPROTECTED_TAINT.effect },
  ];
}

/** A pod template as the API server takes it. */
export type PodTemplate = Readonly<Record<string, unknown>>;

/** The source of an environment variable: a field of the pod. */
export function fieldOf(fieldPath: string): unknown {
  return { fieldRef: { fieldPath } };
}

/**
 * Node.js sizes its nursery by the memory of the machine; for the steady small garbage of a pass the
 * least is enough, and saves half of an agent's memory.
 */
export const NODE_OPTIONS = "--max-semi-space-size=1";

/** Of an agent's two processes on a device of 255 nodes, the most that `make bench-long` has measured. */
const AGENT_MEASURED_MIB = 165;
/** An agent that is killed for its memory is a node at risk; on a smaller cluster it takes less. */
const MEMORY_LIMIT_FACTOR = 2;

/** Of agents and fencers. No CPU limit: a quota starves petting. */
export const AGENT_RESOURCES = {
  requests: { cpu: "50m", memory: `${AGENT_MEASURED_MIB}Mi` },
  limits: { memory: `${AGENT_MEASURED_MIB * MEMORY_LIMIT_FACTOR}Mi` },
};

/** The part of a container that works on the shared device and touches nothing else of its host. */
export function onDeviceAlone({ volumeDevices, volumeMounts }: DeviceVolume): object {
  return {
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeDevices,
    volumeMounts,
  };
}

/** What agents and fencers hold against the device header, and whose device it must be. */
export function agreementEnvironment(
  config: SBDConfig,
  { clusterUID }: OperatorPlace,
): readonly unknown[] {
  const { timeoutMs, watchdogMs, onStorageLoss } = askedContract(config);
  return [
    { name: "SBD_TIMEOUT_SECONDS", value: String(timeoutMs / 1_000) },
    { name: "SBD_WATCHDOG_TIMEOUT_SECONDS", value: String(watchdogMs / 1_000) },
    { name: "SBD_ON_STORAGE_LOSS", value: onStorageLoss },
    { name: "SBD_CONFIG_UID", value: config.metadata.uid ?? "" },
    { name: "SBD_CLUSTER_UID", value: clusterUID },
  ];
}

/** The part of a pod's spec that keeps it off some nodes; nothing where there are none. */
export function excluding(nodeNames: readonly string[]): Readonly<Record<string, unknown>> {
  if (nodeNames.length === 0) {
    return {};
  }
  return {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            {
              matchFields: nodeNames.map((name) => ({
                key: "metadata.name",
                operator: "NotIn",
                values: [name],
              })),
            },
          ],
        },
      },
    },
  };
}
