/**
 * A stand-in for the kubelet of one virtual node: posts Ready and the boot ID, and runs the pods that
 * are bound to its node, once it has reached the API in this boot. Cut off, it keeps running what it
 * runs, as kubelets do. It admits no pod while the node has a NoExecute taint that the pod does not
 * tolerate, and waits for the pod's volume to be attached here.
 *
 * Not modelled: everything else. A container is a process of this node's group.
 *
 *     node stand-in-kubelet.ts <node name> <boot ID>      (KUBECONFIG in the environment)
 */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

import { createKubeClient, type KubeClient } from "../kube/kube-client.ts";
import { loadKubeConfig } from "../kube/kube-config.ts";
import { fieldAt, listAt, textAt, type KubeObject } from "../kube/kube-object.ts";
import { getObject, listObjects } from "../kube/read-objects.ts";
import { NODES, PODS, VOLUME_ATTACHMENTS } from "../kube/resource-type.ts";
import { deleteObject, patchObject } from "../kube/write-objects.ts";

const SYNC_EVERY_MS = 250;
const REQUEST_TIMEOUT_MS = 2_000;

async function main(nodeName: string, bootID: string): Promise<void> {
  const client = createKubeClient(await loadKubeConfig(process.env), `kubelet/${nodeName}`);
  const running = new Map<string, ChildProcess>();
  for (;;) {
    try {
      await sync(client, nodeName, bootID, running);
    } catch {
      // Cut off: what runs goes on running.
    }
    await delay(SYNC_EVERY_MS);
  }
}

async function sync(
  client: KubeClient,
  nodeName: string,
  bootID: string,
  running: Map<string, ChildProcess>,
): Promise<void> {
  const limits = { timeoutMs: REQUEST_TIMEOUT_MS };
  const node = await getObject(client, NODES, { name: nodeName }, limits);
  if (node === null) {
    return;
  }
  await postStatus(client, node, bootID);
  const fieldSelector = `spec.nodeName=${nodeName}`;
  const { items: pods } = await listObjects(client, PODS, { fieldSelector, ...limits });
  const { items: attachments } = await listObjects(client, VOLUME_ATTACHMENTS, limits);
  const attached = attachments.some((it) => textAt(it, "spec", "nodeName") === nodeName);
  for (const pod of pods) {
    const uid = pod.metadata.uid ?? "";
    if (pod.metadata.deletionTimestamp !== undefined) {
      await end(client, pod, running.get(uid) ?? null);
      running.delete(uid);
    } else if (!running.has(uid) && attached && admits(node)) {
      running.set(uid, start(pod, nodeName, bootID));
    }
  }
  for (const [uid, child] of running) {
    if (!pods.some((pod) => pod.metadata.uid === uid)) {
      child.kill("SIGKILL");
      running.delete(uid);
    }
  }
}

async function postStatus(client: KubeClient, node: KubeObject, bootID: string): Promise<void> {
  const now = new Date().toISOString();
  const others = listAt(node, "status", "conditions").filter(
    (condition) => textAt(condition, "type") !== "Ready",
  );
  const known = listAt(node, "status", "conditions").find(
    (condition) => textAt(condition, "type") === "Ready",
  );
  const since = textAt(known, "status") === "True" ? textAt(known, "lastTransitionTime") : now;
  const ready = {
    type: "Ready",
    status: "True",
    reason: "KubeletReady",
    message: "",
    lastHeartbeatTime: now,
    lastTransitionTime: since,
  };
  await patchObject(
    client,
    NODES,
    { name: node.metadata.name ?? "" },
    { kind: "merge", body: { status: { nodeInfo: { bootID }, conditions: [...others, ready] } } },
    {
      subresource: "status",
      timeoutMs: REQUEST_TIMEOUT_MS,
      ...(node.metadata.resourceVersion === undefined
        ? {}
        : { resourceVersion: node.metadata.resourceVersion }),
    },
  );
}

/** Kubelet admission refuses on NoExecute only; the demo's pods tolerate nothing. */
function admits(node: KubeObject): boolean {
  return !listAt(node, "spec", "taints").some((taint) => textAt(taint, "effect") === "NoExecute");
}

function start(pod: KubeObject, nodeName: string, bootID: string): ChildProcess {
  const [container] = listAt(pod, "spec", "containers");
  const [command = "", ...args] = listAt(container, "command").map(String);
  const environment = { ...process.env, POD_NODE: nodeName, POD_BOOT: bootID };
  return spawn(command, [...args, nodeName, bootID, String(fieldAt(pod, "spec", "writeEveryMs"))], {
    stdio: "ignore",
    env: environment,
  });
}

/** The process first, then the object: whoever sees the pod gone may start it elsewhere. */
async function end(client: KubeClient, pod: KubeObject, child: ChildProcess | null): Promise<void> {
  if (child !== null && child.exitCode === null && child.signalCode === null) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
  const { name = "", namespace, uid } = pod.metadata;
  await deleteObject(
    client,
    PODS,
    { name, namespace },
    {
      gracePeriodSeconds: 0,
      timeoutMs: REQUEST_TIMEOUT_MS,
      ...(uid === undefined ? {} : { uid }),
    },
  );
}

const [nodeName = "", bootID = ""] = process.argv.slice(2);
await main(nodeName, bootID);
