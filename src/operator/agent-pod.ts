import type { SBDConfig } from "../api/sbd-config.ts";
import { seconds, type Timing } from "../timing/contract.ts";
import type { OperatorPlace } from "./config.ts";
import type { VolumeMode } from "./device-claim.ts";
import { deviceVolume } from "./device-volume.ts";
import {
  AGENT_RESOURCES,
  agreementEnvironment,
  excluding,
  fieldOf,
  NODE_OPTIONS,
  type PodTemplate,
} from "./pod-parts.ts";

/** The host's files that an agent looks at, under one directory of the container. */
export const HOST_ROOT = "/host";
const STATE_DIRECTORY = "/run/sbd-agent";
/** Agents of a rollout wait so much longer than the watchdog takes. */
const READY_MARGIN_SECONDS = 1;
const GRACE_MARGIN_SECONDS = 5;

/** minReadySeconds: longer than T + W, so that a rollout stops at an agent whose node dies. */
export function minReadySeconds(timing: Timing): number {
  return Math.ceil((timing.timeoutMs + timing.watchdogMs) / 1_000) + READY_MARGIN_SECONDS;
}

/**
 * Longer than T + W: an agent that cannot leave in order lives on to its deadline, which the kubelet must
 * not cut short: from then on whoever opens the watchdog next would decide.
 */
export function graceSeconds(timing: Timing): number {
  return Math.ceil((timing.timeoutMs + timing.watchdogMs) / 1_000) + GRACE_MARGIN_SECONDS;
}

/**
 * The agent's pod. Ready is an agent that has armed (or is to detect only), so that a rollout stops at the
 * first node that does not; the probe only tells. No CPU limit (a quota starves petting), no liveness probe (killing an agent pets
 * its watchdog). The host's directories are mounted whole: a hostPath of a single missing file would
 * be made as a directory and hide a missing watchdog.
 */
export function agentPodTemplate(
  config: SBDConfig,
  timing: Timing,
  place: OperatorPlace,
  mode: VolumeMode,
  labels: Readonly<Record<string, string>>,
): PodTemplate {
  const { spec } = config;
  const device = deviceVolume(config, mode, spec.sbdDevicePath);
  return {
    metadata: {
      labels,
      annotations: {
        "medik8s.io/timing":
          `T = ${seconds(timing.timeoutMs)}, W = ${seconds(timing.watchdogMs)}, ` +
          `M = ${seconds(timing.msgwaitMs)}`,
      },
    },
    spec: {
      serviceAccountName: "sbd-agent",
      hostPID: true,
      priorityClassName: "system-node-critical",
      terminationGracePeriodSeconds: graceSeconds(timing),
      nodeSelector: { ...spec.nodeSelector, "kubernetes.io/os": "linux" },
      ...excluding(spec.nodeExclusionList),
      tolerations: spec.tolerations ?? [{ operator: "Exists" }],
      containers: [
        {
          name: "sbd-agent",
          image: spec.image ?? place.agentImage,
          imagePullPolicy: spec.imagePullPolicy,
          args: ["agent"],
          env: agentEnvironment(config, place),
          ports: [{ name: "metrics", containerPort: spec.metricsPort, protocol: "TCP" }],
          readinessProbe: {
            httpGet: { path: "/readyz", port: "metrics" },
            periodSeconds: 5,
            timeoutSeconds: 5,
          },
          resources: AGENT_RESOURCES,
          securityContext: {
            privileged: true,
            capabilities: { add: ["SYS_ADMIN"] },
            readOnlyRootFilesystem: true,
          },
          volumeDevices: device.volumeDevices,
          volumeMounts: [
            ...device.volumeMounts,
            ...HOST_PATHS.map(({ name, path, readOnly }) => ({
              name,
              mountPath: `${HOST_ROOT}${path}`,
              ...(readOnly ? { readOnly } : {}),
            })),
          ],
        },
      ],
      volumes: [
        device.volume,
        ...HOST_PATHS.map(({ name, path, type }) => ({ name, hostPath: { path, type } })),
      ],
    },
  };
}

const HOST_PATHS = [
  { name: "host-dev", path: "/dev", type: "Directory", readOnly: false },
  { name: "host-proc", path: "/proc", type: "Directory", readOnly: false },
  { name: "host-sys", path: "/sys", type: "Directory", readOnly: true },
  { name: "host-etc", path: "/etc", type: "Directory", readOnly: true },
  { name: "host-run", path: STATE_DIRECTORY, type: "DirectoryOrCreate", readOnly: false },
] as const;

function agentEnvironment(config: SBDConfig, place: OperatorPlace): readonly unknown[] {
  const { metadata, spec } = config;
  return [
    { name: "NODE_NAME", valueFrom: fieldOf("spec.nodeName") },
    { name: "SBD_CONFIG_NAME", value: metadata.name },
    { name: "SBD_DEVICE_PATH", value: spec.sbdDevicePath },
    { name: "SBD_WATCHDOG_PATH", value: spec.sbdWatchdogPath },
    ...agreementEnvironment(config, place),
    { name: "SBD_REBOOT_METHOD", value: spec.rebootMethod },
    { name: "SBD_DETECT_ONLY", value: String(spec.detectOnly) },
    {
      name: "SBD_ACCEPT_UNVERIFIED_WATCHDOGS",
      value: String(spec.acceptUnverifiedWatchdogs),
    },
    { name: "SBD_LOG_LEVEL", value: spec.logLevel },
    { name: "SBD_METRICS_PORT", value: String(spec.metricsPort) },
    { name: "SBD_HOST_ROOT", value: HOST_ROOT },
    { name: "NODE_OPTIONS", value: NODE_OPTIONS },
  ];
}
