import { setTimeout as delay } from "node:timers/promises";

import type { KubeClient } from "../kube/kube-client.ts";
import { KubeError } from "../kube/kube-error.ts";
import { listObjects } from "../kube/read-objects.ts";
import { NODES, objectPath, PODS } from "../kube/resource-type.ts";
import { patchObject } from "../kube/write-objects.ts";
import { CliError } from "./cli-error.ts";
import { movablePods } from "./spare-capacity.ts";

const LOOK_EVERY_MS = 1_000;

/** Whether new pods may be put on the node. @throws {CliError} `API` */
export async function setSchedulable(
  client: KubeClient,
  nodeName: string,
  may: "schedulable" | "cordoned",
): Promise<void> {
  const outcome = await patchObject(
    client,
    NODES,
    { name: nodeName },
    { kind: "merge", body: { spec: { unschedulable: may === "cordoned" ? true : null } } },
  );
  if (outcome.kind !== "done") {
    throw new CliError("API", `Node ${nodeName} could not be made ${may}: ${outcome.message}.`);
  }
}

/**
 * Evicts every pod that can run elsewhere, as budgets allow, and waits until they are gone.
 *
 * @throws {CliError} `REFUSED` with the pods that are left after `withinMs`
 */
export async function drainNode(
  client: KubeClient,
  nodeName: string,
  withinMs: number,
  say: (line: string) => void,
): Promise<void> {
  const endMs = performance.now() + withinMs;
  const asked = new Set<string>();
  for (;;) {
    const { items } = await listObjects(client, PODS, {
      fieldSelector: `spec.nodeName=${nodeName}`,
    });
    const left = movablePods(nodeName, items);
    if (left.length === 0) return;
    for (const { metadata } of left) {
      const uid = metadata.uid ?? "";
      if (!asked.has(uid) && metadata.deletionTimestamp === undefined) {
        const done = await evict(client, metadata.namespace ?? "", metadata.name ?? "");
        if (done) asked.add(uid);
      }
    }
    say(`${left.length} pods are left on ${nodeName}`);
    if (performance.now() > endMs) {
      const names = left.map(
        ({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name ?? ""}`,
      );
      throw new CliError(
        "REFUSED",
        `Node ${nodeName} was not fenced: it is cordoned, and ${names.join(", ")} did not leave in time, ` +
          "for instance for a PodDisruptionBudget. Make room for them, or uncordon it.",
      );
    }
    await delay(LOOK_EVERY_MS);
  }
}

/** False where a budget forbids it for now (429). */
async function evict(client: KubeClient, namespace: string, name: string): Promise<boolean> {
  try {
    await client.request({
      method: "POST",
      path: `${objectPath(PODS, { namespace, name })}/eviction`,
      body: { apiVersion: "policy/v1", kind: "Eviction", metadata: { namespace, name } },
    });
    return true;
  } catch (error) {
    if (error instanceof KubeError && error.code === "NOT_FOUND") return true;
    if (error instanceof KubeError && error.code === "OVERLOADED") return false;
    throw error;
  }
}
