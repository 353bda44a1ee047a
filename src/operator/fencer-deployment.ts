import { fencerNameOf } from "../api/fencer-name.ts";
import type { SBDConfig } from "../api/sbd-config.ts";
import { type Action, type Manifest, presentOf, targetOf } from "./action.ts";
import type { OperatorPlace } from "./config.ts";
import { volumeModeOf } from "./device-claim.ts";
import { deviceVolume } from "./device-volume.ts";
import type { KubePod } from "./kube-object.ts";
import {
  AGENT_RESOURCES,
  agreementEnvironment,
  CONFIG_LABEL,
  excluding,
  fieldOf,
  NODE_OPTIONS,
  onDeviceAlone,
  ownerOf,
  toleratingControlPlane,
} from "./pod-parts.ts";
import type { Snapshot } from "./snapshot.ts";

/** Where a fencer sees the shared device, as the blueprint has it. */
export const FENCER_DEVICE_PATH = "/mnt/sbd-operator-device";

const APP = "sbd-fencer";
/** One works, the other looks on and takes over when the node of the first is lost. */
const REPLICAS = 2;
/** A fencer on a lost node is of no use there. */
const LEAVES_LOST_NODE_AFTER_SECONDS = 30;

/** Whether a pod is of the Deployment of a config. */
export function isFencerPod({ metadata: { labels } }: KubePod, configName: string): boolean {
  return labels?.["app"] === APP && labels[CONFIG_LABEL] === configName;
}

/**
 * One Deployment for each SBDConfig with `fencerPlacement: Operator`, none for any other. With its
 * SBDConfig a Deployment is collected by Kubernetes.
 */
export function reconcileFencers(snapshot: Snapshot, place: OperatorPlace): readonly Action[] {
  return snapshot.configs
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .flatMap((config): Action[] => {
      const present = snapshot.fencerDeployments.find(
        ({ metadata }) => metadata.name === fencerNameOf(config.metadata.name),
      );
      if (config.spec.fencerPlacement === "Operator") {
        const manifest = fencerDeployment(config, snapshot, place);
        const before = present === undefined ? null : presentOf(present);
        return [{ type: "apply-deployment", manifest, present: before }];
      }
      const isOurs =
        present?.metadata.deletionTimestamp === undefined &&
        present?.metadata.ownerReferences?.some(({ uid }) => uid === config.metadata.uid) === true;
      return isOurs ? [{ type: "delete-deployment", target: targetOf(present) }] : [];
    });
}

/**
 * `sbd-fencer-<config>`, owned by the config. Its pods need no privilege: root opens the device, which
 * no capability is needed for. Readiness is a good pass of late; there is no liveness probe, as a
 * fencer whose device is away does better to wait for it.
 */
export function fencerDeployment(
  config: SBDConfig,
  snapshot: Snapshot,
  place: OperatorPlace,
): Manifest {
  const { spec } = config;
  const volume = deviceVolume(config, volumeModeOf(config, snapshot), FENCER_DEVICE_PATH);
  const labels = { app: APP, [CONFIG_LABEL]: config.metadata.name };
  const lost = { operator: "Exists", effect: "NoExecute" };
  const manifest = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: fencerNameOf(config.metadata.name),
      namespace: place.namespace,
      labels,
      ownerReferences: [ownerOf(config)],
    },
    spec: {
      replicas: REPLICAS,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: "sbd-fencer",
          priorityClassName: "system-cluster-critical",
          terminationGracePeriodSeconds: 10,
          nodeSelector: { ...spec.nodeSelector, "kubernetes.io/os": "linux" },
          ...excluding(spec.nodeExclusionList),
          tolerations: [
            ...(spec.tolerations ?? toleratingControlPlane()),
            ...["node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"].map((key) => ({
              key,
              ...lost,
              tolerationSeconds: LEAVES_LOST_NODE_AFTER_SECONDS,
            })),
          ],
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: "kubernetes.io/hostname",
              whenUnsatisfiable: "ScheduleAnyway",
              labelSelector: { matchLabels: labels },
            },
          ],
          securityContext: { runAsUser: 0, seccompProfile: { type: "RuntimeDefault" } },
          containers: [
            {
              name: APP,
              image: spec.image ?? place.agentImage,
              imagePullPolicy: spec.imagePullPolicy,
              args: ["fencer"],
              env: [
                { name: "POD_NAME", valueFrom: fieldOf("metadata.name") },
                { name: "POD_NAMESPACE", valueFrom: fieldOf("metadata.namespace") },
                { name: "SBD_CONFIG_NAME", value: config.metadata.name },
                { name: "SBD_DEVICE_PATH", value: FENCER_DEVICE_PATH },
                ...agreementEnvironment(config, place),
                { name: "SBD_LOG_LEVEL", value: spec.logLevel },
                { name: "NODE_OPTIONS", value: NODE_OPTIONS },
                { name: "SBD_METRICS_PORT", value: String(spec.metricsPort) },
              ],
              ports: [{ name: "metrics", containerPort: spec.metricsPort, protocol: "TCP" }],
              readinessProbe: { httpGet: { path: "/healthz", port: "metrics" }, periodSeconds: 5 },
              resources: AGENT_RESOURCES,
              ...onDeviceAlone(volume),
            },
          ],
          volumes: [volume.volume],
        },
      },
    },
  };
  return manifest;
}
