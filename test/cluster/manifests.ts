import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { API_VERSION, SYSTEM_NAMESPACE } from "../../src/api/group.ts";
import { sbdConfigObject } from "../../src/testing/sbd-config-object.ts";

export const WORKLOAD = { namespace: "default", name: "writer", pod: "writer-0" } as const;
export const CONFIG_NAME = "default";
export const TEMPLATE_NAME = "sbd-template";
export const TEST_IMAGE = "sbd-operator:0.1.0";

const ON_EVERY_NODE = {
  required: {
    nodeSelectorTerms: [
      { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "Exists" }] },
    ],
  },
};

/** A shared disk that every node has, as claim, and without a driver: a local volume of all nodes. */
export function sharedDisk(
  name: string,
  namespace: string,
  device: string,
  accessMode: "ReadWriteMany" | "ReadWriteOnce",
): object[] {
  const common = {
    accessModes: [accessMode],
    volumeMode: "Block",
    storageClassName: "",
    resources: { requests: { storage: "1Mi" } },
  };
  return [
    {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name },
      spec: {
        capacity: { storage: "1Mi" },
        accessModes: common.accessModes,
        volumeMode: "Block",
        storageClassName: "",
        persistentVolumeReclaimPolicy: "Retain",
        claimRef: { namespace, name },
        local: { path: device },
        nodeAffinity: ON_EVERY_NODE,
      },
    },
    {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name, namespace },
      spec: { ...common, volumeName: name },
    },
  ];
}

/** Of deploy/samples; T and W in seconds. */
export function sbdConfig(timeoutSeconds: number, watchdogSeconds: number): object {
  return sbdConfigObject(CONFIG_NAME, {
    sbdTimeoutSeconds: timeoutSeconds,
    watchdogTimeoutSeconds: watchdogSeconds,
  });
}

export function remediationTemplate(): object {
  return {
    apiVersion: API_VERSION,
    kind: "SBDRemediationTemplate",
    metadata: { name: TEMPLATE_NAME, namespace: SYSTEM_NAMESPACE },
    spec: { template: { spec: { remediationStrategy: "Automatic" } } },
  };
}

/**
 * A StatefulSet of one pod that writes numbered lines to the workload disk, ten a second, and has it for
 * itself.
 */
export function workload(): object[] {
  const { namespace, name } = WORKLOAD;
  const labels = { app: name };
  return [
    ...sharedDisk("workload", namespace, "/dev/shared-workload", "ReadWriteOnce"),
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace },
      data: { "workload.mjs": program() },
    },
    {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name, namespace },
      spec: {
        serviceName: name,
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 5,
            containers: [
              {
                name,
                image: TEST_IMAGE,
                imagePullPolicy: "Never",
                command: ["/usr/bin/node", "/program/workload.mjs", "/dev/workload", "0", name],
                resources: { requests: { cpu: "50m", memory: "64Mi" } },
                volumeDevices: [{ name: "disk", devicePath: "/dev/workload" }],
                volumeMounts: [{ name: "program", mountPath: "/program" }],
              },
            ],
            volumes: [
              { name: "disk", persistentVolumeClaim: { claimName: "workload" } },
              { name: "program", configMap: { name } },
            ],
          },
        },
      },
    },
  ];
}

/** The workload of test/vm as one JavaScript module. */
function program(): string {
  const vm = join(import.meta.dirname, "../vm");
  const line = readFileSync(join(vm, "workload-line.ts"), "utf8");
  const main = readFileSync(join(vm, "guest/workload.ts"), "utf8");
  const source = `${line}\n${main.replace(/^import .*workload-line.*$/m, "")}`;
  return stripTypeScriptTypes(source);
}
