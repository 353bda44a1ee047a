import { setTimeout as delay } from "node:timers/promises";

import { REMEDIATION_TAINT_KEY } from "../api/remediation-names.ts";
import { SBD_REMEDIATION, type SBDRemediation } from "../api/sbd-remediation.ts";
import type { KubeClient } from "../kube/kube-client.ts";
import { listAt, textAt } from "../kube/kube-object.ts";
import { resourceTypeOf } from "../kube/resource-type.ts";
import { deleteObject } from "../kube/write-objects.ts";

import { CliError } from "./cli-error.ts";
import { withCluster } from "./cluster-connection.ts";
import { isOver, nameOf, nodeOf, viewCluster, type ClusterView } from "./cluster-view.ts";
import type { Terminal } from "./terminal.ts";

export type ClearOptions = {
  readonly nodeName: string;
  readonly context: string | null;
  readonly yes: boolean;
  /** Null: ends once the requests are deleted. */
  readonly waitSeconds: number | null;
};

export type ClearDocument = {
  readonly node: string;
  /** namespace/name of each. */
  readonly deleted: readonly string[];
  /** Gone; false where an agent or a fencer still holds one. */
  readonly gone: boolean;
  readonly tainted: boolean;
};

const MAY_CLEAR = "ClusterRoles sbd-view and sbd-ext-remediation have the rights that this takes.";
const LOOK_EVERY_MS = 500;

/**
 * `sbdctl clear`: takes back what `sbdctl fence` asked for. Deletes the node's requests; operator and
 * agents then take message and taints back, or keep them as long as safety asks for that.
 *
 * @throws {CliError} `NO_SUCH_REQUEST`, `REFUSED` for requests of another controller, `NOT_CONFIRMED`, `API`
 */
export async function clearNode(options: ClearOptions, terminal: Terminal): Promise<void> {
  await withCluster(options.context, MAY_CLEAR, async ({ client }) => {
    const view = await viewCluster(client);
    const requests = requestsToClear(options.nodeName, view);
    if (!options.yes) {
      await terminal.confirm(whatIsCleared(options.nodeName, requests), options.nodeName);
    }
    const document = await deleteRequests(client, options, requests);
    terminal.answer(document, clearText(document));
  });
}

/** All requests for the node. @throws {CliError} `NO_SUCH_REQUEST`, `REFUSED` */
export function requestsToClear(nodeName: string, view: ClusterView): readonly SBDRemediation[] {
  const requests = view.requests.filter((request) => nodeOf(request) === nodeName);
  if (requests.length === 0) {
    throw new CliError(
      "NO_SUCH_REQUEST",
      `There is no SBDRemediation for node ${nodeName}, so there is nothing to take back. A message ` +
        "that stands on the device all the same is cleared by the operator within seconds; " +
        "'sbdctl device clear' does so without a cluster.",
    );
  }
  const owned = requests.find(({ metadata }) =>
    metadata.ownerReferences?.some(({ kind }) => kind === "NodeHealthCheck"),
  );
  if (owned !== undefined) {
    throw new CliError(
      "REFUSED",
      `Nothing was deleted: ${nameOf(owned)} is NodeHealthCheck's, which would make it anew as long as ` +
        "the node is not well. Pause the NodeHealthCheck (spec.pauseRequests) first, or bring the node " +
        "back, and it deletes the request itself.",
    );
  }
  return requests;
}

function whatIsCleared(nodeName: string, requests: readonly SBDRemediation[]): string {
  const open = requests.filter((request) => !isOver(request)).map(nameOf);
  return (
    `${requests.map(nameOf).join(", ")} will be deleted. ` +
    (open.length === 0
      ? `What they asked for is over: node ${nodeName} takes pods again.`
      : `${open.join(", ")} is open: unless ${nodeName} has read its message already it lives on, and ` +
        "nobody waits for its death any more.")
  );
}

/** Deletes them and waits until they are gone. @throws {CliError} `API` */
export async function deleteRequests(
  client: KubeClient,
  { nodeName, waitSeconds }: Pick<ClearOptions, "nodeName" | "waitSeconds">,
  requests: readonly SBDRemediation[],
): Promise<ClearDocument> {
  for (const { metadata } of requests) {
    const { name, namespace, uid = "" } = metadata;
    const outcome = await deleteObject(
      client,
      resourceTypeOf(SBD_REMEDIATION),
      { name, namespace },
      { uid },
    );
    if (outcome.kind === "refused") {
      throw new CliError("API", `Nothing was deleted: ${outcome.message}. ${MAY_CLEAR}`);
    }
  }
  const uids = new Set(requests.map(({ metadata }) => metadata.uid));
  const endMs = performance.now() + (waitSeconds ?? 0) * 1_000;
  for (;;) {
    const view = await viewCluster(client);
    const gone = !view.requests.some(({ metadata }) => uids.has(metadata.uid));
    const tainted = isTainted(nodeName, view);
    if ((gone && !tainted) || performance.now() >= endMs) {
      return { node: nodeName, deleted: requests.map(nameOf), gone, tainted };
    }
    await delay(LOOK_EVERY_MS);
  }
}

function isTainted(nodeName: string, { nodes }: ClusterView): boolean {
  const node = nodes?.find(({ metadata }) => metadata.name === nodeName);
  return listAt(node, "spec", "taints").some(
    (taint) => textAt(taint, "key") === REMEDIATION_TAINT_KEY,
  );
}

function clearText({ node, deleted, gone, tainted }: ClearDocument): string {
  return [
    `${deleted.join(", ")}: ${gone ? "gone" : "deleted, and held until the message is taken back"}.`,
    tainted
      ? `Node ${node} is tainted yet: the operator takes the taint away once no request names the node.`
      : `Node ${node} has no taint of a fencing.`,
  ].join("\n");
}
