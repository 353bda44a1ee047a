import type { SBDConfig } from "../api/sbd-config.ts";
import { msgwaitArithmetic, type Timing } from "../timing/contract.ts";
import { type Action, type Manifest, targetOf } from "./action.ts";
import type { OperatorPlace } from "./config.ts";
import { conditionOf, type Judgement } from "./config-status.ts";
import { askedContract } from "./contract-in-force.ts";
import { volumeModeOf } from "./device-claim.ts";
import { deviceVolume } from "./device-volume.ts";
import type { KubeJob, KubePod } from "./kube-object.ts";
import { whyPodWaits } from "./pod-trouble.ts";
import {
  CONFIG_LABEL,
  excluding,
  onDeviceAlone,
  ownerOf,
  toleratingControlPlane,
} from "./pod-parts.ts";
import type { Snapshot } from "./snapshot.ts";

const APP = "sbd-device-init";
const DEVICE_PATH = "/mnt/sbd-device";
const RESULT_FILE = "/dev/termination-log";
/** A Job that has ended is removed by Kubernetes after so long, and then tried again if need be. */
const AGAIN_AFTER_SECONDS = 60;
/** Beyond the longest look that initialisation takes. */
const DEADLINE_MARGIN_SECONDS = 300;

/** What is to be done about the device, and condition `DeviceReady`. */
export type DevicePreparation = {
  readonly judgement: Judgement;
  readonly actions: readonly Action[];
};

/**
 * Has a blank device initialised with the config's contract and UIDs, by a Job that sees the claim and
 * nothing else. Once the device was ready nothing initialises it again for this SBDConfig: what is wrong
 * with it later is for a person to look at.
 */
export function prepareDevice(
  config: SBDConfig,
  snapshot: Snapshot,
  timing: Timing,
  place: OperatorPlace,
  storage: Judgement,
): DevicePreparation {
  const deviceUUID = deviceOfAgents(config, snapshot);
  if (deviceUUID !== null) {
    return nothingMore(ready(`agents work on device ${deviceUUID}, which is this SBDConfig's`));
  }
  const known = conditionOf(config, "DeviceReady");
  if (known?.status === "True") {
    return nothingMore(ready(known.message));
  }
  if (storage.status !== "True") {
    return nothingMore(waiting(`waits for the claim: ${storage.message}`));
  }
  const name = jobName(config);
  const job = snapshot.jobs.find(({ metadata }) => metadata.name === name) ?? null;
  const before =
    known?.status === "False" ? refused(known.message) : waiting(`Job ${name} looks at the device`);
  if (job === null) {
    const manifest = deviceInitJob(config, snapshot, timing, place);
    return { judgement: before, actions: [{ type: "create-job", manifest }] };
  }
  if (!job.metadata.ownerReferences?.some(({ uid }) => uid === config.metadata.uid)) {
    const isGoing = job.metadata.deletionTimestamp !== undefined;
    const actions: Action[] = isGoing ? [] : [{ type: "delete-job", target: targetOf(job) }];
    return { judgement: before, actions };
  }
  return nothingMore(judgeJob(job, podsOf(job, snapshot), before));
}

/** `sbd-device-init-<config>`. */
export function jobName({ metadata }: SBDConfig): string {
  return `${APP}-${metadata.name}`;
}

/** One pod that opens the claim and talks to nobody; its termination message is what came of it. */
export function deviceInitJob(
  config: SBDConfig,
  snapshot: Snapshot,
  timing: Timing,
  place: OperatorPlace,
): Manifest {
  const { spec } = config;
  const labels = { app: APP, [CONFIG_LABEL]: config.metadata.name };
  const volume = deviceVolume(config, volumeModeOf(config, snapshot), DEVICE_PATH);
  const manifest = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: jobName(config),
      namespace: place.namespace,
      labels,
      ownerReferences: [ownerOf(config)],
    },
    spec: {
      backoffLimit: 0,
      ttlSecondsAfterFinished: AGAIN_AFTER_SECONDS,
      activeDeadlineSeconds: Math.ceil(timing.msgwaitMs / 1_000) + DEADLINE_MARGIN_SECONDS,
      template: {
        metadata: {
          labels,
          annotations: { "medik8s.io/timing": msgwaitArithmetic(timing) },
        },
        spec: {
          restartPolicy: "Never",
          serviceAccountName: "sbd-fencer",
          automountServiceAccountToken: false,
          priorityClassName: "system-cluster-critical",
          nodeSelector: { ...spec.nodeSelector, "kubernetes.io/os": "linux" },
          ...excluding(spec.nodeExclusionList),
          tolerations: spec.tolerations ?? toleratingControlPlane(),
          securityContext: { runAsUser: 0, seccompProfile: { type: "RuntimeDefault" } },
          containers: [
            {
              name: APP,
              image: spec.image ?? place.agentImage,
              imagePullPolicy: spec.imagePullPolicy,
              args: initArguments(config, snapshot, place),
              terminationMessagePath: RESULT_FILE,
              terminationMessagePolicy: "FallbackToLogsOnError",
              resources: {
                requests: { cpu: "50m", memory: "128Mi" },
                limits: { memory: "256Mi" },
              },
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

function initArguments(
  config: SBDConfig,
  { configs }: Snapshot,
  { clusterUID }: OperatorPlace,
): readonly string[] {
  const { timeoutMs, watchdogMs, onStorageLoss } = askedContract(config);
  const uid = config.metadata.uid ?? "";
  const others = configs.map(({ metadata }) => metadata.uid ?? "").filter((other) => other !== uid);
  return [
    ...["ctl", "device", "init", DEVICE_PATH],
    ...["--timeout-seconds", String(timeoutMs / 1_000)],
    ...["--watchdog-timeout-seconds", String(watchdogMs / 1_000)],
    ...["--on-storage-loss", onStorageLoss],
    ...["--cluster", config.metadata.name],
    ...["--config-uid", uid],
    ...["--cluster-uid", clusterUID],
    ...["--living-config-uids", others.length === 0 ? "none" : others.join(",")],
    ...["--result-file", RESULT_FILE],
  ];
}

/** The device in whose header an agent has read this SBDConfig's UID; null where none has. */
export function deviceOfAgents(config: SBDConfig, { sbdNodes }: Snapshot): string | null {
  const found = sbdNodes.find(
    ({ spec, status }) =>
      spec.configName === config.metadata.name &&
      status.contract?.configUID === config.metadata.uid &&
      status.deviceUUID !== undefined,
  );
  return found?.status.deviceUUID ?? null;
}

function podsOf(job: KubeJob, { pods }: Snapshot): readonly KubePod[] {
  return pods.filter(({ metadata }) =>
    metadata.ownerReferences?.some(({ uid }) => uid === job.metadata.uid),
  );
}

function judgeJob(job: KubeJob, pods: readonly KubePod[], before: Judgement): Judgement {
  for (const { status } of pods) {
    const ended = status?.containerStatuses?.[0]?.state?.terminated;
    if (ended !== undefined) {
      return judgeEnd(ended.exitCode ?? 1, ended.message ?? "");
    }
  }
  const failed = job.status?.conditions?.find(
    ({ type, status }) => type === "Failed" && status === "True",
  );
  if (failed !== undefined) {
    return refused(`Job ${job.metadata.name} failed: ${failed.message ?? failed.reason ?? ""}`);
  }
  const why = pods.map(whyPodWaits).find((text) => text !== null) ?? null;
  return before.status === "False" || why === null
    ? before
    : waiting(`Job ${job.metadata.name} cannot start: ${why}`);
}

function judgeEnd(exitCode: number, message: string): Judgement {
  const told = resultOf(message);
  if (exitCode !== 0) {
    return refused(told?.error?.message ?? (message === "" ? `exit code ${exitCode}` : message));
  }
  const uuid = told?.header?.deviceUuid ?? "";
  return ready(
    told?.outcome === "kept"
      ? `device ${uuid} was this SBDConfig's already`
      : `device ${uuid} was initialised for this SBDConfig`,
  );
}

type Result = {
  readonly outcome?: string;
  readonly header?: { readonly deviceUuid?: string };
  readonly error?: { readonly message?: string };
};

/** Null for what is no result, as of a program that died. */
function resultOf(message: string): Result | null {
  try {
    return JSON.parse(message) as Result | null;
  } catch {
    return null;
  }
}

function nothingMore(judgement: Judgement): DevicePreparation {
  return { judgement, actions: [] };
}

function ready(message: string): Judgement {
  return { type: "DeviceReady", status: "True", reason: "DeviceInitialised", message };
}

function waiting(message: string): Judgement {
  return { type: "DeviceReady", status: "Unknown", reason: "DeviceNotLookedAt", message };
}

function refused(message: string): Judgement {
  return { type: "DeviceReady", status: "False", reason: "DeviceRefused", message };
}
