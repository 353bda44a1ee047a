/**
 * A stand-in for the kubelet and container runtime of one virtual machine: registers the Node with the
 * credentials of a node, and runs the pods that a scheduler has bound to it, from an image's files, with
 * their users, arguments, environment, volumes, tokens, probes and graces. It decides nothing: which pods
 * there are and where is the cluster's business.
 *
 * Modelled: Node registration and status, one container a pod, restart policies, termination messages,
 * readiness probes over HTTP, preStop sleep, graceful deletion, an image that is not there, logs.
 *
 * Not modelled: everything else, above all resource limits, image pulls, networks (a pod has an address
 * of 127.0.0.0/8, and is told to serve there: SBD_METRICS_ADDRESS), init containers, evictions.
 *
 *     node stand-in-kubelet.ts <settings: JSON, see KubeletSettings>
 */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { createKubeClient, type KubeClient } from "../../kube/kube-client.ts";
import { loadKubeConfig } from "../../kube/kube-config.ts";
import { fieldAt, listAt, textAt, type KubeObject } from "../../kube/kube-object.ts";
import { getObject, listObjects } from "../../kube/read-objects.ts";
import {
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
} from "../../kube/resource-type.ts";
import { createObject, deleteObject, patchObject } from "../../kube/write-objects.ts";
import { Container } from "./container.ts";
import { serveLogs, type ServingCertificate } from "./log-server.ts";
import { planPod, PodWaits, type PodPlan } from "./pod-plan.ts";

export type KubeletSettings = {
  readonly nodeName: string;
  readonly bootID: string;
  readonly machineID: string;
  /** Of a user of group system:nodes. */
  readonly kubeconfig: string;
  /** Of the API server's certificate, for the pods. */
  readonly caFile: string;
  /** What it shows the API server that asks for logs, at 127.0.0.1. */
  readonly serving: ServingCertificate;
  readonly hostRoot: string;
  /** Files of its pods; on the filesystem of `imageRoot`. */
  readonly folder: string;
  /** The one image that can be pulled. */
  readonly image: string;
  readonly imageRoot: string;
  /** What makes processes run on this virtual machine, and the folders that it names. */
  readonly machineEnvironment: Readonly<Record<string, string>>;
  readonly machineFolders: readonly string[];
};

type RunningPod = {
  readonly plan: PodPlan;
  readonly address: string;
  container: Container;
  restarts: number;
  restartAtMs: number | null;
  ready: boolean;
  probedAtMs: number;
  stopping: boolean;
};

const SYNC_EVERY_MS = 500;
const STATUS_EVERY_MS = 5_000;
const RESTART_AFTER_MS = 2_000;

const settings = JSON.parse(process.argv[2] ?? "") as KubeletSettings;
const access = await loadKubeConfig({ KUBECONFIG: settings.kubeconfig });
const client: KubeClient = createKubeClient(access, `kubelet/${settings.nodeName}`);
const clusterCA = readFileSync(settings.caFile, "utf8");
const running = new Map<string, RunningPod>();
const logPort = await serveLogs(settings.serving, (pod) => join(settings.folder, pod));
let statusAtMs = -Infinity;

for (;;) {
  try {
    if (performance.now() - statusAtMs >= STATUS_EVERY_MS) {
      await postNode();
      statusAtMs = performance.now();
    }
    await sync();
  } catch (error) {
    console.log(String(error));
  }
  await delay(SYNC_EVERY_MS);
}

async function postNode(): Promise<void> {
  const name = settings.nodeName;
  const known = await getObject(client, NODES, { name });
  if (known === null) {
    const labels = { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" };
    const metadata = { name, labels };
    await createObject(client, NODES, { apiVersion: "v1", kind: "Node", metadata });
  }
  const now = new Date().toISOString();
  const before = listAt(known, "status", "conditions").find(
    (condition) => textAt(condition, "type") === "Ready",
  );
  const others = listAt(known, "status", "conditions").filter((condition) => condition !== before);
  const ready = {
    type: "Ready",
    status: "True",
    reason: "KubeletReady",
    message: "the stand-in kubelet posts ready status",
    lastHeartbeatTime: now,
    lastTransitionTime:
      textAt(before, "status") === "True" ? textAt(before, "lastTransitionTime") : now,
  };
  const size = { cpu: "4", memory: "8Gi", pods: "20" };
  const nodeInfo = {
    bootID: settings.bootID,
    machineID: settings.machineID,
    systemUUID: settings.machineID,
    operatingSystem: "linux",
    architecture: arch() === "x64" ? "amd64" : arch(),
    kubeletVersion: "v1.30.0-stand-in",
    kernelVersion: "",
    osImage: "",
    containerRuntimeVersion: "",
    kubeProxyVersion: "",
  };
  const status = {
    capacity: size,
    allocatable: size,
    nodeInfo,
    addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
    daemonEndpoints: { kubeletEndpoint: { Port: logPort } },
    conditions: [...others, ready],
  };
  await patchObject(
    client,
    NODES,
    { name },
    { kind: "merge", body: { status } },
    {
      subresource: "status",
    },
  );
}

async function sync(): Promise<void> {
  const fieldSelector = `spec.nodeName=${settings.nodeName}`;
  const { items } = await listObjects(client, PODS, { fieldSelector });
  for (const pod of items) {
    const known = running.get(pod.metadata.uid ?? "");
    if (pod.metadata.deletionTimestamp !== undefined) {
      void end(pod, known);
    } else if (known === undefined) {
      if (!isOver(pod)) await start(pod);
    } else {
      await look(pod, known);
    }
  }
}

function isOver(pod: KubeObject): boolean {
  return ["Succeeded", "Failed"].includes(textAt(pod, "status", "phase"));
}

async function start(pod: KubeObject): Promise<void> {
  const [container] = listAt(pod, "spec", "containers");
  const image = textAt(container, "image");
  if (image !== settings.image) {
    const waiting = { reason: "ErrImagePull", message: `there is no image ${image}` };
    await tell(pod, "Pending", { ready: false, restartCount: 0, state: { waiting } }, "");
    return;
  }
  const folder = podFolder(pod);
  const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  try {
    const plan = await planPod(pod, settings.hostRoot, join(folder, "volumes"), {
      volumeOf: (claim) => volumeOf(claim, pod.metadata.namespace ?? ""),
      tokenFor: (account) => tokenFor(account, pod),
      clusterCA,
    });
    const restarts = Number(fieldAt(statusOfContainer(pod), "restartCount") ?? -1) + 1;
    running.set(pod.metadata.uid ?? "", {
      plan,
      address,
      container: run(plan, folder, address),
      restarts,
      restartAtMs: null,
      ready: false,
      probedAtMs: -Infinity,
      stopping: false,
    });
  } catch (error) {
    if (!(error instanceof PodWaits)) throw error;
    const waiting = { reason: "ContainerCreating", message: "" };
    console.log(`${pod.metadata.name}: ${error.message}`);
    await tell(pod, "Pending", { ready: false, restartCount: 0, state: { waiting } }, "");
  }
}

function podFolder(pod: KubeObject): string {
  return join(settings.folder, pod.metadata.name ?? "");
}

function run(plan: PodPlan, folder: string, address: string): Container {
  const machine = (plan.privileged ? settings.machineFolders : []).map((path) => ({
    source: path,
    target: path,
    readOnly: false,
  }));
  return new Container({
    imageRoot: settings.imageRoot,
    folder,
    argv: ["/usr/bin/sbd", ...plan.argv],
    mounts: [...plan.mounts, ...machine],
    devices: plan.devices,
    user: plan.user,
    group: plan.group,
    environment: {
      ...plan.environment,
      ...(plan.privileged ? settings.machineEnvironment : {}),
      HOME: "/",
      KUBERNETES_SERVICE_HOST: access.server.hostname,
      KUBERNETES_SERVICE_PORT: access.server.port,
      SBD_METRICS_ADDRESS: address,
    },
  });
}

async function look(pod: KubeObject, known: RunningPod): Promise<void> {
  const { container } = known;
  const name = textAt(listAt(pod, "spec", "containers")[0], "name");
  if (container.end === null) {
    await probe(pod, known);
    const state = { running: { startedAt: container.startedAt } };
    const told = { name, ready: known.ready, restartCount: known.restarts, state };
    await tell(pod, "Running", told, known.address);
    return;
  }
  const terminated = {
    ...container.end,
    reason: container.end.exitCode === 0 ? "Completed" : "Error",
  };
  if (textAt(pod, "spec", "restartPolicy") !== "Always") {
    const phase = container.end.exitCode === 0 ? "Succeeded" : "Failed";
    const state = { terminated };
    await tell(pod, phase, { ready: false, restartCount: known.restarts, state }, known.address);
    return;
  }
  known.restartAtMs ??= performance.now() + RESTART_AFTER_MS;
  known.ready = false;
  const state = { waiting: { reason: "CrashLoopBackOff", message: "" } };
  const lastState = { terminated };
  const told = { ready: false, restartCount: known.restarts, state, lastState };
  await tell(pod, "Running", told, known.address);
  if (performance.now() >= known.restartAtMs) {
    known.restarts += 1;
    known.restartAtMs = null;
    known.container = run(known.plan, podFolder(pod), known.address);
  }
}

async function probe(pod: KubeObject, known: RunningPod): Promise<void> {
  const [container] = listAt(pod, "spec", "containers");
  const path = textAt(container, "readinessProbe", "httpGet", "path");
  if (path === "") {
    known.ready = true;
    return;
  }
  const periodMs = Number(fieldAt(container, "readinessProbe", "periodSeconds") ?? 10) * 1_000;
  if (performance.now() - known.probedAtMs < periodMs) return;
  known.probedAtMs = performance.now();
  const name = textAt(container, "readinessProbe", "httpGet", "port");
  const port = listAt(container, "ports").find((entry) => textAt(entry, "name") === name);
  const url = `http://${known.address}:${String(fieldAt(port, "containerPort"))}${path}`;
  known.ready = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}

function statusOfContainer(pod: KubeObject): unknown {
  return listAt(pod, "status", "containerStatuses")[0];
}

async function tell(
  pod: KubeObject,
  phase: string,
  told: { readonly ready: boolean; readonly [field: string]: unknown },
  podIP: string,
): Promise<void> {
  const [container] = listAt(pod, "spec", "containers");
  const image = textAt(container, "image");
  const status = {
    phase,
    ...(podIP === "" ? {} : { podIP, podIPs: [{ ip: podIP }] }),
    conditions: [
      ...listAt(pod, "status", "conditions").filter(
        (condition) => !["Ready", "ContainersReady"].includes(textAt(condition, "type")),
      ),
      ...["Ready", "ContainersReady"].map((type) => condition(pod, type, told.ready)),
    ],
    containerStatuses: [{ name: textAt(container, "name"), image, imageID: image, ...told }],
  };
  const before = fieldAt(pod, "status") as Readonly<Record<string, unknown>> | undefined;
  const isSame = Object.entries(status).every(
    ([field, value]) => canonical(before?.[field]) === canonical(value),
  );
  if (isSame) return;
  const { name = "", namespace } = pod.metadata;
  const patch = { kind: "merge", body: { status } } as const;
  await patchObject(client, PODS, { name, namespace }, patch, { subresource: "status" });
}

function condition(pod: KubeObject, type: string, holds: boolean): unknown {
  const status = holds ? "True" : "False";
  const before = listAt(pod, "status", "conditions").find((it) => textAt(it, "type") === type);
  const lastTransitionTime =
    textAt(before, "status") === status
      ? textAt(before, "lastTransitionTime")
      : new Date().toISOString().replace(/\.\d+/, "");
  return { type, status, lastTransitionTime };
}

/** Fields in one order, without the nulls and defaults that the server adds. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(
          Object.entries(part)
            .filter(([field, entry]) => entry !== null && field !== "observedGeneration")
            .toSorted(([a], [b]) => a.localeCompare(b)),
        )
      : part,
  );
}

/** The process first, then the object: whoever sees the pod gone may start it elsewhere. */
async function end(pod: KubeObject, known: RunningPod | undefined): Promise<void> {
  const { name = "", namespace, uid = "" } = pod.metadata;
  if (known?.stopping === true) return;
  if (known !== undefined) {
    known.stopping = true;
    const graceMs = Number(fieldAt(pod, "metadata", "deletionGracePeriodSeconds") ?? 30) * 1_000;
    const [container] = listAt(pod, "spec", "containers");
    const sleepMs =
      Number(fieldAt(container, "lifecycle", "preStop", "sleep", "seconds") ?? 0) * 1_000;
    await delay(Math.min(sleepMs, graceMs));
    await known.container.stop(graceMs - sleepMs);
  }
  try {
    await deleteObject(client, PODS, { name, namespace }, { gracePeriodSeconds: 0, uid });
    running.delete(uid);
  } catch (error) {
    console.log(String(error));
    if (known !== undefined) known.stopping = false;
  }
}

async function volumeOf(claimName: string, namespace: string): Promise<string | null> {
  const claim = await getObject(client, PERSISTENT_VOLUME_CLAIMS, { name: claimName, namespace });
  const name = textAt(claim, "spec", "volumeName");
  if (name === "" || textAt(claim, "status", "phase") !== "Bound") return null;
  const volume = await getObject(client, PERSISTENT_VOLUMES, { name });
  return textAt(volume, "spec", "local", "path") || null;
}

async function tokenFor(account: string, pod: KubeObject): Promise<string> {
  const { name = "", namespace = "", uid = "" } = pod.metadata;
  const told = await client.request({
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {
        audiences: [],
        expirationSeconds: 86_400,
        boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
      },
    },
  });
  return textAt(told, "status", "token");
}
