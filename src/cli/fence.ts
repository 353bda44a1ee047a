import { API_VERSION } from "../api/group.ts";
import { SBD_REMEDIATION } from "../api/sbd-remediation.ts";
import type { KubeClient } from "../kube/kube-client.ts";
import type { KubeObject } from "../kube/kube-object.ts";
import { resourceTypeOf } from "../kube/resource-type.ts";
import { createObject } from "../kube/write-objects.ts";
import { CliError } from "./cli-error.ts";
import { withCluster } from "./cluster-connection.ts";
import { isOver, nameOf, nodeOf, viewCluster, type ClusterView } from "./cluster-view.ts";
import { followFencing } from "./fencing-show.ts";
import type { Terminal } from "./terminal.ts";

export type FenceOptions = {
  readonly nodeName: string;
  readonly namespace: string;
  readonly context: string | null;
  readonly yes: boolean;
  readonly wait: boolean;
};

const MAY_FENCE = "ClusterRoles sbd-view and sbd-ext-remediation have the rights that this takes.";

/**
 * `sbdctl fence`: asks the cluster to fence a node, and follows the request to its end.
 *
 * @throws {CliError} `REFUSED` for a node without a slot; `NOT_CONFIRMED`, `API`, `NOT_PROVEN`
 */
export async function fenceNode(options: FenceOptions, terminal: Terminal): Promise<void> {
  const { nodeName, namespace } = options;
  await withCluster(options.context, MAY_FENCE, async ({ client }) => {
    const view = await viewCluster(client);
    requireFencable(nodeName, view);
    if (!options.yes) {
      await terminal.confirm(
        `Node ${nodeName} will be reset, and its pods deleted. ${wordOfNode(nodeName, view)}`,
        nodeName,
      );
    }
    const { metadata } = await requestFencing(client, nodeName, namespace);
    const about = `${namespace}/${metadata.name}`;
    terminal.note(
      `Request ${about} is made; it goes on without this command, and keeps pods off the node until ` +
        `'sbdctl clear ${nodeName}' deletes it.`,
    );
    await followFencing({ about, watch: options.wait }, terminal, () => viewCluster(client));
  });
}

/** Makes the request. @throws {CliError} `API` */
export async function requestFencing(
  client: KubeClient,
  nodeName: string,
  namespace: string,
): Promise<KubeObject> {
  const created = await createObject(client, resourceTypeOf(SBD_REMEDIATION), {
    apiVersion: API_VERSION,
    kind: "SBDRemediation",
    metadata: { generateName: `${nodeName}-`, namespace },
    spec: { nodeName },
  });
  if (created.kind === "done") return created.object;
  const todo = created.kind === "refused" ? MAY_FENCE : "Run the command again.";
  throw new CliError("API", `No request was made: ${created.message}. ${todo}`);
}

/** A request for a node without a slot would fail; a second one for the same node adds nothing. */
function requireFencable(nodeName: string, view: ClusterView): void {
  if (!view.sbdNodes.some(({ spec }) => spec.nodeName === nodeName)) {
    throw new CliError(
      "REFUSED",
      `Nothing was asked for: node ${nodeName} has no slot on any device, so that no message can reach ` +
        "it. 'sbdctl status' shows the nodes that have one.",
    );
  }
  const open = view.requests.find((request) => nodeOf(request) === nodeName && !isOver(request));
  if (open !== undefined) {
    throw new CliError(
      "REFUSED",
      `Nothing was asked for: ${nameOf(open)} is about node ${nodeName} already. ` +
        `'sbdctl fencing ${nameOf(open)} --watch' follows it.`,
    );
  }
}

function wordOfNode(nodeName: string, { sbdNodes }: ClusterView): string {
  const isArmed = sbdNodes.some(
    ({ spec, status }) => spec.nodeName === nodeName && status.armed === true,
  );
  return isArmed
    ? "Its watchdog is armed."
    : "Its watchdog is not armed: unless it obeys or boots again, nothing will prove it dead.";
}
