/**
 * Stand-ins for the controllers that a cluster has and this project relies on, over HTTP like the real
 * ones: node lifecycle (Ready becomes Unknown when a kubelet is silent), taint eviction, a StatefulSet
 * of one with a volume that attaches to one node at a time, attach-detach with the out-of-service taint,
 * and NodeHealthCheck, which makes an SBDRemediation from the template and deletes it when the node is
 * healthy again. Each looks at everything, a few times a second.
 *
 * Not modelled: rates, grace periods, several workloads, NodeHealthCheck's thresholds and escalation.
 */
import { setTimeout as delay } from "node:timers/promises";

import { API_VERSION, SYSTEM_NAMESPACE } from "../api/group.ts";
import { OUT_OF_SERVICE_TAINT, REMEDIATION_TAINT_KEY } from "../api/remediation-names.ts";
import { SBD_REMEDIATION } from "../api/sbd-remediation.ts";
import { SBD_REMEDIATION_TEMPLATE } from "../api/sbd-remediation-template.ts";
import { createKubeClient, type KubeClient } from "../kube/kube-client.ts";
import { kubeConfigAccess } from "../kube/kube-config-file.ts";
import { fieldAt, listAt, textAt, type KubeObject } from "../kube/kube-object.ts";
import { getObject, listObjects } from "../kube/read-objects.ts";
import { NODES, PODS, resourceTypeOf, VOLUME_ATTACHMENTS } from "../kube/resource-type.ts";
import { createObject, deleteObject, patchObject } from "../kube/write-objects.ts";
import { monotonicMs } from "../testing/virtual-node.ts";
import { TEMPLATE_NAME } from "./kubernetes.ts";

export type Workload = {
  readonly namespace: string;
  readonly name: string;
  readonly command: readonly string[];
  readonly writeEveryMs: number;
  /** Where it is started the first time. */
  readonly startsOn: string;
};

export type StandInControllers = {
  close(): Promise<void>;
};

/** A kubelet posts four times a second; this long without news is silence. */
export const NODE_SILENT_AFTER_MS = 3_000;
/** NodeHealthCheck's `healthyDelay`: a node must have been Ready for so long. */
const HEALTHY_DELAY_MS = 8_000;
const LOOK_EVERY_MS = 150;
const REQUEST_TIMEOUT_MS = 2_000;
/** A loop that was itself held up, or cut off, knows nothing of others' silence. */
const OWN_PAUSE_MS_MAX = 1_000;

const REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);
const TEMPLATES = resourceTypeOf(SBD_REMEDIATION_TEMPLATE);

export function runStandInControllers(
  kubeconfig: string,
  workload: Workload,
  healthCheck: { readonly enabled: () => boolean },
): StandInControllers {
  const access = kubeConfigAccess([kubeconfig], "of the demo");
  const client = createKubeClient(access, "stand-in-controllers");
  const heard = new Map<string, { readonly heartbeat: string; readonly atMs: number }>();
  const readySince = new Map<string, number>();
  let closed = false;
  let placed = false;
  let lastLookMs = -Infinity;

  async function run(): Promise<void> {
    while (!closed) {
      try {
        await look();
        lastLookMs = monotonicMs();
      } catch {
        // Cut off, as everybody is now and then.
      }
      await delay(LOOK_EVERY_MS);
    }
  }

  async function look(): Promise<void> {
    if (monotonicMs() - lastLookMs > OWN_PAUSE_MS_MAX) {
      heard.clear();
    }
    const limits = { timeoutMs: REQUEST_TIMEOUT_MS };
    const { items: nodes } = await listObjects(client, NODES, limits);
    const { items: pods } = await listObjects(client, PODS, {
      namespace: workload.namespace,
      ...limits,
    });
    const { items: attachments } = await listObjects(client, VOLUME_ATTACHMENTS, limits);
    await judgeNodes(client, nodes, heard);
    await evict(client, nodes, pods);
    await detach(client, pods, attachments);
    placed = await keepWorkload(client, workload, nodes, pods, attachments, placed);
    if (healthCheck.enabled()) {
      await checkHealth(client, nodes, readySince);
    }
  }

  const running = run();
  return {
    async close() {
      closed = true;
      await running;
      client.close();
    },
  };
}

async function judgeNodes(
  client: KubeClient,
  nodes: readonly KubeObject[],
  heard: Map<string, { readonly heartbeat: string; readonly atMs: number }>,
): Promise<void> {
  for (const node of nodes) {
    const name = node.metadata.name ?? "";
    const ready = conditionOf(node, "Ready");
    const heartbeat = `${textAt(ready, "lastHeartbeatTime")} ${textAt(node, "status", "nodeInfo", "bootID")}`;
    const known = heard.get(name);
    if (known?.heartbeat !== heartbeat) {
      heard.set(name, { heartbeat, atMs: monotonicMs() });
    } else if (
      textAt(ready, "status") === "True" &&
      monotonicMs() - known.atMs > NODE_SILENT_AFTER_MS
    ) {
      await setUnknown(client, node);
    }
  }
}

async function setUnknown(client: KubeClient, node: KubeObject): Promise<void> {
  const conditions = listAt(node, "status", "conditions").map((condition) =>
    textAt(condition, "type") === "Ready"
      ? {
          ...(condition as object),
          status: "Unknown",
          reason: "NodeStatusUnknown",
          message: "Kubelet stopped posting node status.",
          lastTransitionTime: new Date().toISOString(),
        }
      : condition,
  );
  await patchObject(
    client,
    NODES,
    { name: node.metadata.name ?? "" },
    { kind: "merge", body: { status: { conditions } } },
    { subresource: "status", ...versionOf(node), timeoutMs: REQUEST_TIMEOUT_MS },
  );
}

/** NoExecute ends pods in order; out-of-service ends them at once. */
async function evict(
  client: KubeClient,
  nodes: readonly KubeObject[],
  pods: readonly KubeObject[],
): Promise<void> {
  for (const pod of pods) {
    const node = nodes.find((it) => it.metadata.name === textAt(pod, "spec", "nodeName"));
    const outOfService = node !== undefined && hasTaint(node, OUT_OF_SERVICE_TAINT.key);
    const evicted = node !== undefined && hasTaint(node, REMEDIATION_TAINT_KEY, "NoExecute");
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    if (outOfService || (evicted && !terminating)) {
      const { name = "", namespace } = pod.metadata;
      await deleteObject(
        client,
        PODS,
        { name, namespace },
        {
          timeoutMs: REQUEST_TIMEOUT_MS,
          ...(outOfService ? { gracePeriodSeconds: 0 } : {}),
        },
      );
    }
  }
}

/** A volume is detached when no pod on that node is left. */
async function detach(
  client: KubeClient,
  pods: readonly KubeObject[],
  attachments: readonly KubeObject[],
): Promise<void> {
  for (const attachment of attachments) {
    const nodeName = textAt(attachment, "spec", "nodeName");
    if (!pods.some((pod) => textAt(pod, "spec", "nodeName") === nodeName)) {
      const { name = "" } = attachment.metadata;
      await deleteObject(client, VOLUME_ATTACHMENTS, { name }, { timeoutMs: REQUEST_TIMEOUT_MS });
    }
  }
}

/** One pod, at most one attachment, and the attachment first. */
async function keepWorkload(
  client: KubeClient,
  workload: Workload,
  nodes: readonly KubeObject[],
  pods: readonly KubeObject[],
  attachments: readonly KubeObject[],
  wasPlaced: boolean,
): Promise<boolean> {
  if (pods.length > 0 || attachments.length > 0) {
    const [pod] = pods;
    const nodeName = textAt(pod, "spec", "nodeName");
    if (pod !== undefined && attachments.length === 0) {
      await createObject(client, VOLUME_ATTACHMENTS, {
        metadata: { name: `volume-${nodeName}` },
        spec: { attacher: "demo", nodeName, source: { persistentVolumeName: "volume" } },
      });
    }
    return wasPlaced;
  }
  const fit = nodes.filter(
    (node) =>
      textAt(conditionOf(node, "Ready"), "status") === "True" &&
      listAt(node, "spec", "taints").length === 0,
  );
  const chosen = wasPlaced ? fit[0] : fit.find((node) => node.metadata.name === workload.startsOn);
  if (chosen === undefined) {
    return wasPlaced;
  }
  await createObject(client, PODS, {
    metadata: { name: workload.name, namespace: workload.namespace },
    spec: {
      nodeName: chosen.metadata.name,
      writeEveryMs: workload.writeEveryMs,
      containers: [{ name: "writer", image: "none", command: workload.command }],
    },
  });
  return true;
}

/** The body is NodeHealthCheck's, as it was seen to write it. */
async function checkHealth(
  client: KubeClient,
  nodes: readonly KubeObject[],
  readySince: Map<string, number>,
): Promise<void> {
  const { items: requests } = await listObjects(client, REMEDIATIONS, {
    namespace: SYSTEM_NAMESPACE,
    timeoutMs: REQUEST_TIMEOUT_MS,
  });
  for (const node of nodes) {
    const nodeName = node.metadata.name ?? "";
    const status = textAt(conditionOf(node, "Ready"), "status");
    const own = requests.filter(
      ({ metadata }) => metadata.annotations?.["remediation.medik8s.io/node-name"] === nodeName,
    );
    if (status === "Unknown" && own.length === 0) {
      await createRequest(client, nodeName);
    }
    if (status !== "True") {
      readySince.delete(nodeName);
    } else if (!readySince.has(nodeName)) {
      readySince.set(nodeName, monotonicMs());
    }
    const readyForMs = monotonicMs() - (readySince.get(nodeName) ?? Infinity);
    for (const request of readyForMs >= HEALTHY_DELAY_MS ? own : []) {
      if (request.metadata.deletionTimestamp === undefined) {
        const { name = "", namespace } = request.metadata;
        await deleteObject(client, REMEDIATIONS, { name, namespace });
      }
    }
  }
}

async function createRequest(client: KubeClient, nodeName: string): Promise<void> {
  const ref = { name: TEMPLATE_NAME, namespace: SYSTEM_NAMESPACE };
  const template = await getObject(client, TEMPLATES, ref);
  const request = {
    apiVersion: API_VERSION,
    kind: SBD_REMEDIATION.kind,
    metadata: {
      generateName: `${nodeName}-`,
      namespace: SYSTEM_NAMESPACE,
      annotations: {
        "remediation.medik8s.io/node-name": nodeName,
        "remediation.medik8s.io/template-name": TEMPLATE_NAME,
      },
      labels: { "app.kubernetes.io/part-of": "node-healthcheck-controller" },
    },
    spec: fieldAt(template, "spec", "template", "spec") ?? {},
  };
  await createObject(client, REMEDIATIONS, request);
}

function conditionOf(node: KubeObject, type: string): unknown {
  return listAt(node, "status", "conditions").find(
    (condition) => textAt(condition, "type") === type,
  );
}

function hasTaint(node: KubeObject, key: string, effect?: string): boolean {
  return listAt(node, "spec", "taints").some(
    (taint) =>
      textAt(taint, "key") === key && (effect === undefined || textAt(taint, "effect") === effect),
  );
}

function versionOf({ metadata }: KubeObject): { readonly resourceVersion?: string } {
  return metadata.resourceVersion === undefined
    ? {}
    : { resourceVersion: metadata.resourceVersion };
}
